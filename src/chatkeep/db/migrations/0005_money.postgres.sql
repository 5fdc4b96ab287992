-- As on SQLite.
ALTER TABLE runs ADD COLUMN cached_input_tokens bigint NOT NULL DEFAULT 0;   -- of the input_tokens
ALTER TABLE runs ADD COLUMN reasoning_tokens bigint NOT NULL DEFAULT 0;      -- of the output_tokens
ALTER TABLE runs ADD COLUMN cost bigint;                                     -- in 10⁻⁹ of the currency; NULL: not known
ALTER TABLE runs ADD COLUMN open_call json;     -- the call that goes on, as its row would be now

CREATE TABLE model_calls (
    log                 bigint NOT NULL REFERENCES runs (log) ON DELETE CASCADE,  -- of its run
    number              integer NOT NULL,       -- 1, 2, 3 … within the run
    step                integer NOT NULL,       -- of the turn, from 1; 0: the session's title, not in the run's sums
    model               text NOT NULL,          -- as the models file names it
    provider            text NOT NULL,          -- likewise
    input_tokens        bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,        -- of the input_tokens
    output_tokens       bigint NOT NULL,
    reasoning_tokens    bigint NOT NULL,        -- of the output_tokens
    estimated           boolean NOT NULL,       -- the provider has not counted
    cost                bigint,                 -- in 10⁻⁹ of the currency, at the price of that time; NULL: not known
    first_token_ms      bigint,                 -- from the request to the answer's first token; NULL: none came
    duration_ms         bigint NOT NULL,
    outcome             text NOT NULL,          -- completed, incomplete, cancelled, interrupted, or an error's code
    PRIMARY KEY (log, number)
);
