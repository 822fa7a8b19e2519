//! unbound.conf: lexer, the one option table, Config.
