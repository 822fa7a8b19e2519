use super::*;

document! {
    Inner with NoMore { version: Given<Whole<1, 2>> = "version", list: List<String> = "list", } ignored ["known"]
}
document! {
    Outer with NoMore { network: Given<Inner> = "network" or "net_work", } ignored []
}

fn read(text: &str) -> (Option<Outer>, Vec<String>) {
    let given = Given::<Outer>::of(&parse(text).unwrap());
    let mut notes = Notes::default();
    given.report("", &mut notes);
    (given.get().cloned(), notes.into_lines())
}

#[test]
fn what_nobody_asked_for_is_named_and_what_is_wrong_costs_only_itself() {
    let (outer, lines) = read("network:\n  version: 1\n  color: red\n  known: x\n  list: [1, {a: b}, c]\nnew: 1\n");
    let outer = outer.unwrap();
    let network = outer.network.get().unwrap();
    assert_eq!(network.version, Given::Is(Whole(1)));
    let list: Vec<(String, &String)> = network.list.entries("network.list").collect();
    assert_eq!(
        list,
        [("network.list[0]".to_owned(), &"1".to_owned()), ("network.list[2]".to_owned(), &"c".to_owned())]
    );
    assert_eq!(
        lines,
        [
            "network.list[1]: {\"a\":\"b\"} is not text; it is left out",
            "network.color: is not supported; it is ignored",
            "new: is not supported; it is ignored",
        ]
    );
}

#[test]
fn numbers_have_a_range_and_nothing_before_or_behind_them() {
    for (text, wanted) in [("2", true), ("' 2 '", true), ("3", false), ("'+1'", false), ("1.0", false), ("-1", false)] {
        let (outer, lines) = read(&format!("net_work: {{version: {text}}}\n"));
        let version = outer.unwrap().network.get().unwrap().version.clone();
        assert_eq!((version.get().is_some(), lines.is_empty()), (wanted, wanted), "{text}: {lines:?}");
    }
}

#[test]
fn one_value_is_a_list_of_one_and_null_is_nothing() {
    let (outer, lines) = read("network: {version: null, list: a}\n");
    let outer = outer.unwrap();
    let network = outer.network.get().unwrap();
    assert_eq!((network.version.clone(), network.list.iter().count(), lines), (Given::Absent, 1, vec![]));
    let (_, lines) = read("network: {list: {a: b}}\n");
    assert_eq!(lines, ["network.list: {\"a\":\"b\"} is not text; it is left out"]);
    let (_, lines) = read("network: 5\n");
    assert_eq!(lines, ["network: 5 is not a mapping of keys to values; it is left out"]);
}

#[test]
fn broken_documents_say_where() {
    let error = parse("version: 1\nconfig:\n  - type: [physical\n").unwrap_err();
    assert!(error.contains("line") && !error.contains('\n'), "{error}");
    assert_eq!(parse("").unwrap(), Value::Null);
    assert_eq!(parse("#cloud-config\n\n").unwrap(), Value::Null);
    assert!(parse(&" ".repeat(MAX_DOCUMENT + 1)).is_err());
}

#[test]
fn macs_and_words_of_yaml_1_1_stay_what_they_are() {
    let value = parse("mac: 52:54:00:12:34:56\non: yes\n").unwrap();
    assert_eq!(Mac::of(&value["mac"]), Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    assert_eq!(bool::of(&value["on"]), Some(true));
    assert_eq!(bool::of(&Value::from(0)), Some(false));
}
