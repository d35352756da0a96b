-- The metadata store: what is wanted of jobs, and what became of them. Times are milliseconds since 1970 in UTC.

CREATE TABLE jobs (
    id               uuid    PRIMARY KEY,
    name             text    NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    -- What people want of it; `phase` says how far it got.
    desired          text    NOT NULL DEFAULT 'running' CHECK (desired IN ('running', 'cancelled')),
    phase            text    NOT NULL CHECK (phase IN ('created', 'scheduling', 'running', 'restarting', 'cancelling',
                                                       'cancelled', 'finished', 'failed')),
    phase_reason     text,
    parallelism      integer NOT NULL CHECK (parallelism BETWEEN 1 AND 1024),
    version          integer NOT NULL CHECK (version >= 1),
    -- The current or last execution; 0 before the first.
    attempt          integer NOT NULL DEFAULT 0,
    -- Fences deployments: grows with each one and never shrinks.
    generation       bigint  NOT NULL DEFAULT 0,
    -- Restarts since the job last ran long enough to be called healthy.
    restarts         integer NOT NULL DEFAULT 0,
    failure          jsonb,
    created_at_ms    bigint  NOT NULL,
    started_at_ms    bigint,
    running_since_ms bigint,
    restart_at_ms    bigint,
    ended_at_ms      bigint
);

CREATE INDEX jobs_active ON jobs (id) WHERE phase NOT IN ('cancelled', 'finished', 'failed');

CREATE TABLE job_versions (
    job           uuid    NOT NULL REFERENCES jobs ON DELETE CASCADE,
    version       integer NOT NULL,
    sql           text    NOT NULL,
    -- weir.graph.JobGraph
    graph         bytea   NOT NULL,
    created_at_ms bigint  NOT NULL,
    PRIMARY KEY (job, version)
);

CREATE TABLE executions (
    job           uuid    NOT NULL REFERENCES jobs ON DELETE CASCADE,
    attempt       integer NOT NULL CHECK (attempt >= 1),
    generation    bigint  NOT NULL CHECK (generation >= 1),
    version       integer NOT NULL,
    started_at_ms bigint  NOT NULL,
    ended_at_ms   bigint,
    failure       jsonb,
    -- The last numbers, kept when the execution ends.
    metrics       jsonb,
    PRIMARY KEY (job, attempt),
    UNIQUE (job, generation)
);

CREATE TABLE placements (
    job     uuid    NOT NULL,
    attempt integer NOT NULL,
    task    integer NOT NULL,
    subtask integer NOT NULL,
    worker  uuid    NOT NULL,
    PRIMARY KEY (job, attempt, task, subtask),
    FOREIGN KEY (job, attempt) REFERENCES executions ON DELETE CASCADE
);

CREATE TABLE workers (
    id                uuid    PRIMARY KEY,
    address           text    NOT NULL,
    pid               bigint  NOT NULL,
    slots             integer NOT NULL,
    version           text    NOT NULL,
    registered_at_ms  bigint  NOT NULL,
    last_heartbeat_ms bigint  NOT NULL,
    memory_bytes      bigint  NOT NULL DEFAULT 0,
    -- Set when its connection broke or its heartbeats stopped; cleared when it is back.
    lost_at_ms        bigint
);

-- The audit trail. No foreign key: it outlives the jobs that it tells of.
CREATE TABLE events (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms   bigint NOT NULL,
    actor   text   NOT NULL,
    job     uuid,
    kind    text   NOT NULL,
    message text   NOT NULL
);

CREATE INDEX events_of_job ON events (job, id DESC);

-- A sample of what `print` sinks wrote: the last rows of the current or last execution.
CREATE TABLE printed_rows (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job        uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    table_name text NOT NULL,
    -- json, not jsonb: the order of the columns is part of what was printed.
    row        json NOT NULL
);

CREATE INDEX printed_rows_of_job ON printed_rows (job, id DESC);

-- How many rows each subtask of each `print` sink wrote in the current or last execution.
CREATE TABLE printed_totals (
    job        uuid    NOT NULL REFERENCES jobs ON DELETE CASCADE,
    table_name text    NOT NULL,
    subtask    integer NOT NULL,
    total_rows bigint  NOT NULL,
    PRIMARY KEY (job, table_name, subtask)
);
