-- Checkpoints, savepoints, stopping, rescaling, and what failed when. Their files are in the state folder; this is what is known of them.

ALTER TABLE jobs
    DROP CONSTRAINT jobs_desired_check,
    ADD CONSTRAINT jobs_desired_check CHECK (desired IN ('running', 'stopped', 'cancelled')),
    DROP CONSTRAINT jobs_phase_check,
    ADD CONSTRAINT jobs_phase_check CHECK (phase IN ('created', 'scheduling', 'running', 'restarting', 'stopping', 'stopped',
                                                     'cancelling', 'cancelled', 'finished', 'failed')),
    -- The number of the next checkpoint or savepoint: grows with each and never shrinks.
    ADD COLUMN next_checkpoint  bigint  NOT NULL DEFAULT 1,
    -- What executions begin with when no checkpoint of the job from this number on is there.
    ADD COLUMN base_savepoint   uuid,
    ADD COLUMN base_number      bigint  NOT NULL DEFAULT 1,
    -- State that no operator wants is left behind.
    ADD COLUMN allow_dropped_state boolean NOT NULL DEFAULT false,
    -- The checkpoint that the current or last execution began with.
    ADD COLUMN restored_from    bigint,
    -- That execution failed before all of its tasks ran.
    ADD COLUMN failed_coming_up boolean NOT NULL DEFAULT false,
    -- The newest that is there; it moves without a step of the job.
    ADD COLUMN last_checkpoint  bigint,
    -- While it stops: with which savepoint, and whether event time is to end before.
    ADD COLUMN stop_savepoint   uuid,
    ADD COLUMN drain            boolean NOT NULL DEFAULT false,
    -- The parallelism that it is to get with its next deployment.
    ADD COLUMN rescale_to       integer CHECK (rescale_to BETWEEN 1 AND 1024),
    -- How it restarts; null: as the control plane is configured.
    ADD COLUMN restart_strategy jsonb,
    -- When it failed, for the failure rate: ms since 1970, the oldest first.
    ADD COLUMN failures_at_ms   bigint[] NOT NULL DEFAULT '{}';

DROP INDEX jobs_active;
CREATE INDEX jobs_active ON jobs (id) WHERE phase NOT IN ('stopped', 'cancelled', 'finished', 'failed');

CREATE TABLE checkpoints (
    job             uuid    NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number          bigint  NOT NULL,
    -- The deployment that took it.
    generation      bigint  NOT NULL,
    kind            text    NOT NULL CHECK (kind IN ('checkpoint', 'savepoint')),
    savepoint       uuid,
    status          text    NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed', 'discarded')),
    begun_at_ms     bigint  NOT NULL,
    ended_at_ms     bigint,
    -- Stored for it alone, all of its files, and rows on their way among them.
    bytes_new       bigint  NOT NULL DEFAULT 0,
    bytes_full      bigint  NOT NULL DEFAULT 0,
    bytes_in_flight bigint  NOT NULL DEFAULT 0,
    failure         text,
    -- The URL of the folder of its manifest.
    url             text    NOT NULL,
    PRIMARY KEY (job, number)
);

CREATE TABLE checkpoint_subtasks (
    job             uuid    NOT NULL,
    number          bigint  NOT NULL,
    task            integer NOT NULL,
    subtask         integer NOT NULL,
    alignment_us    bigint  NOT NULL,
    sync_us         bigint  NOT NULL,
    async_us        bigint  NOT NULL,
    -- From the trigger to its report.
    end_to_end_ms   bigint  NOT NULL,
    bytes_new       bigint  NOT NULL,
    bytes_full      bigint  NOT NULL,
    bytes_in_flight bigint  NOT NULL,
    PRIMARY KEY (job, number, task, subtask),
    FOREIGN KEY (job, number) REFERENCES checkpoints ON DELETE CASCADE
);

-- No foreign key: savepoints outlive the jobs that they were taken of.
CREATE TABLE savepoints (
    id            uuid    PRIMARY KEY,
    name          text    NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    description   text    NOT NULL DEFAULT '',
    tags          text[]  NOT NULL DEFAULT '{}',
    job           uuid    NOT NULL,
    job_name      text    NOT NULL,
    job_version   integer NOT NULL,
    sql           text    NOT NULL,
    parallelism   integer NOT NULL,
    -- Its number among the job's checkpoints; null before it was begun.
    number        bigint,
    -- The folder with its manifest and all of its files.
    url           text    NOT NULL,
    status        text    NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed')),
    failure       text,
    bytes         bigint  NOT NULL DEFAULT 0,
    created_at_ms bigint  NOT NULL,
    ended_at_ms   bigint
);

CREATE INDEX savepoints_of_job ON savepoints (job, id DESC);

-- What failed, and what was done about it.
CREATE TABLE exceptions (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job     uuid    NOT NULL REFERENCES jobs ON DELETE CASCADE,
    attempt integer NOT NULL,
    at_ms   bigint  NOT NULL,
    failure jsonb   NOT NULL,
    -- Where, as far as it is known.
    task    integer,
    subtask integer,
    worker  uuid,
    done    text    NOT NULL
);

CREATE INDEX exceptions_of_job ON exceptions (job, id DESC);

CREATE TABLE rescales (
    id               bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job              uuid    NOT NULL REFERENCES jobs ON DELETE CASCADE,
    from_parallelism integer NOT NULL,
    to_parallelism   integer NOT NULL,
    -- What the script is planned to at the new parallelism: weir.graph.JobGraph
    graph            bytea   NOT NULL,
    status           text    NOT NULL CHECK (status IN ('in_progress', 'completed', 'superseded')),
    requested_at_ms  bigint  NOT NULL,
    -- When its tasks were told to stop, when they had stopped, when those at the new parallelism ran.
    suspended_at_ms  bigint,
    stopped_at_ms    bigint,
    running_at_ms    bigint
);

CREATE INDEX rescales_of_job ON rescales (job, id DESC);
