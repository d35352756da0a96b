CREATE TABLE t (i64 INT) WITH (
    'connector' = 'filesystem', 'path' = 'tests/sql/protobuf/messages.binpb', 'format' = 'protobuf',
    'protobuf.message-name' = 'test.All', 'protobuf.descriptor-file' = 'tests/sql/protobuf/descriptors.binpb'
);
CREATE TABLE result (i64 INT) WITH ('connector' = 'print');
INSERT INTO result SELECT i64 FROM t;
