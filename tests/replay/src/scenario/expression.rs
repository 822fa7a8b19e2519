//! Values that a scenario computes: `${$x + 3600}`, `${time}`, `${ctime …}`, `${timeout}`, `${range a v b}`; from left to right,
//! no operator before another.

/// What an expression may ask for.
pub trait Values {
    /// The value of `$name`; `None`: nobody gave it one.
    fn variable(&self, name: &str) -> Option<&str>;
    /// Seconds since 1970.
    fn time(&self) -> i64;
    /// Seconds until the next timer goes off, with a fraction; `None`, which counts as 0: none is set.
    fn timeout(&self) -> Option<f64>;
}

/// Text with `${…}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression(String);

impl Expression {
    /// It is looked into when it is computed.
    pub fn new(text: &str) -> Expression {
        Expression(text.trim().to_owned())
    }

    /// The same with the white space around it.
    pub fn verbatim(text: &str) -> Expression {
        Expression(text.to_owned())
    }

    /// The text with each `${…}` replaced by its value, the innermost first.
    ///
    /// # Errors
    /// The part that has no value, and why.
    pub fn text(&self, values: &dyn Values) -> Result<String, String> {
        let mut text = self.0.clone();
        while let Some(begin) = text.rfind("${") {
            let end = begin + text[begin..].find('}').ok_or_else(|| format!("{text:?}: no }} closes ${{"))?;
            let value = compute(&text[begin + 2..end], values)?;
            text.replace_range(begin..=end, &value);
        }
        Ok(text)
    }

    /// Its value as a number.
    ///
    /// # Errors
    /// As [`Self::text`], and that it is none.
    pub fn number(&self, values: &dyn Values) -> Result<f64, String> {
        number(&self.text(values)?, values)
    }
}

fn number(word: &str, values: &dyn Values) -> Result<f64, String> {
    let word = match word.trim().strip_prefix('$') {
        Some(name) => values.variable(name).ok_or_else(|| format!("${name} has no value"))?,
        None => word.trim(),
    };
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

/// What stands between `${` and `}`.
fn compute(inner: &str, values: &dyn Values) -> Result<String, String> {
    let words = spaced(inner);
    let words: Vec<&str> = words.split_whitespace().collect();
    match words[..] {
        ["time"] => Ok(values.time().to_string()),
        ["timeout"] => Ok(values.timeout().unwrap_or(0.0).to_string()),
        ["ctime", ref rest @ ..] => Ok(ctime(arithmetic(rest, values)? as i64)),
        ["range", low, value, high] => {
            let [low, value, high] = [low, value, high].map(|word| number(word, values));
            let (low, value, high) = (low?, value?, high?);
            match (low..=high).contains(&value) {
                true => Ok(value.to_string()),
                false => Err(format!("{value} does not lie between {low} and {high}")),
            }
        }
        [name] if name.starts_with('$') => {
            values.variable(&name[1..]).map(str::to_owned).ok_or_else(|| format!("{name} has no value"))
        }
        ref words => arithmetic(words, values).map(|value| value.to_string()),
    }
}

/// Operators stand apart; a sign at the front or behind an operator belongs to its number.
fn spaced(inner: &str) -> String {
    let mut text = String::new();
    let mut after_number = false;
    for letter in inner.chars() {
        match letter {
            '+' | '*' | '/' => text.extend([' ', letter, ' ']),
            '-' if after_number => text.push_str(" - "),
            _ => text.push(letter),
        }
        if !letter.is_whitespace() {
            after_number = letter.is_alphanumeric() || letter == ')';
        }
    }
    text
}

fn arithmetic(words: &[&str], values: &dyn Values) -> Result<f64, String> {
    let [first, rest @ ..] = words else { return Err("${} is empty".into()) };
    let mut value = number(first, values)?;
    let (pairs, []) = rest.as_chunks::<2>() else {
        return Err(format!("{:?}: an operator has no number", words.join(" ")));
    };
    for [operator, operand] in pairs {
        let operand = number(operand, values)?;
        value = match *operator {
            "+" => value + operand,
            "-" => value - operand,
            "*" => value * operand,
            "/" => value / operand,
            _ => return Err(format!("{operator:?} is no operator")),
        };
    }
    Ok(value)
}

/// As ctime(3) in UTC, without the end of line: `Mon Feb 19 13:07:20 2007`.
fn ctime(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days from the civil calendar's 0000-03-01, in eras of 400 years (Howard Hinnant, "chrono-compatible date algorithms").
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * march + 2) / 5 + 1;
    let month = (march + 2) % 12;
    let year = era * 400 + year + i64::from(month < 2);
    let weekday = DAYS[days.rem_euclid(7) as usize];
    let (hours, minutes) = (second / 3600, second / 60 % 60);
    format!("{weekday} {} {of_month:2} {hours:02}:{minutes:02}:{:02} {year}", MONTHS[month as usize], second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given;

    impl Values for Given {
        fn variable(&self, name: &str) -> Option<&str> {
            (name == "x").then_some("100")
        }

        fn time(&self) -> i64 {
            1_171_890_440
        }

        fn timeout(&self) -> Option<f64> {
            Some(4999.25)
        }
    }

    fn text(text: &str) -> Result<String, String> {
        Expression::new(text).text(&Given)
    }

    #[test]
    fn values_are_computed_from_left_to_right() {
        for (expression, value) in [
            ("${1 + 2 * 3}", "9"),
            ("${$x - 1}", "99"),
            ("${36*24*3600}", "3110400"),
            ("${10-3}", "7"),
            ("${2 * -3}", "-6"),
            ("a ${$x} b ${time}", "a 100 b 1171890440"),
            ("${ctime ${time}}", "Mon Feb 19 13:07:20 2007"),
            ("${ctime 0}", "Thu Jan  1 00:00:00 1970"),
            ("${ctime ${time + 1}}", "x"),
            ("${range 4800 ${timeout} 5400}", "4999.25"),
        ] {
            match text(expression) {
                Ok(found) => assert_eq!(found, value, "{expression}"),
                Err(cause) => assert!(expression == "${ctime ${time + 1}}" && cause.contains("time"), "{cause}"),
            }
        }
        for wrong in ["${range 1 ${time} 0}", "${$y}", "${1 +}", "${", "${}", "${1 ? 2}"] {
            assert!(text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, told) in [
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (4_102_444_799, "Thu Dec 31 23:59:59 2099"),
            (-1, "Wed Dec 31 23:59:59 1969"),
        ] {
            assert_eq!(ctime(seconds), told);
        }
    }
}
