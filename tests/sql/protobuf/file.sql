-- A file of messages, each with its length before it.
CREATE TABLE messages (
    i64 BIGINT,
    color STRING,
    `inner` ROW<deep ARRAY<BIGINT>, x INT>,
    `at` TIMESTAMP_LTZ(3),
    counts MAP<STRING, BIGINT>
) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/protobuf/messages.binpb', 'format' = 'protobuf',
    'protobuf.message-name' = 'test.All', 'protobuf.descriptor-file' = 'tests/sql/protobuf/descriptors.binpb'
);
CREATE TABLE result (i64 BIGINT, color STRING, x INT, first_deep BIGINT, `at` TIMESTAMP_LTZ(3), k BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT i64, color, `inner`.x, `inner`.deep[1], `at`, counts['k'] FROM messages;
