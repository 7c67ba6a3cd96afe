-- A database of schema 2. Never edited: it stands for files in the field.
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN;
CREATE TABLE log (
    seq  INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    id   BLOB    NOT NULL UNIQUE,
    ts   INTEGER NOT NULL,
    body TEXT    NOT NULL
) STRICT;
CREATE TABLE offset (
    owner     INTEGER PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    committed INTEGER NOT NULL
) STRICT;
CREATE TABLE state (
    owner INTEGER NOT NULL,
    key   BLOB    NOT NULL,
    value BLOB    NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE forgotten (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    upto INTEGER NOT NULL
) STRICT;
INSERT INTO forgotten VALUES (1, 0);
INSERT INTO log VALUES (1, 1, x'000102030405060708090a0b0c0d0e0f', 1000, '{"n":1}');
INSERT INTO log VALUES (2, 2, x'101112131415161718191a1b1c1d1e1f', 2000, '{"n":2}');
INSERT INTO log VALUES (3, 3, x'202122232425262728292a2b2c2d2e2f', 3000, '{"n":3}');
INSERT INTO offset VALUES (1, 'guardian', 3);
INSERT INTO state VALUES (1, x'6b6579', x'76616c7565');
PRAGMA application_id = 1332898159;
PRAGMA user_version = 2;
COMMIT;
