-- Tokens and money. Every request to a model has a row, so that an operator can see where the money goes.
ALTER TABLE runs ADD COLUMN cached_input_tokens INTEGER NOT NULL DEFAULT 0;  -- of the input_tokens
ALTER TABLE runs ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;     -- of the output_tokens
ALTER TABLE runs ADD COLUMN cost INTEGER;                                    -- in 10⁻⁹ of the currency; NULL: not known
ALTER TABLE runs ADD COLUMN open_call TEXT;     -- JSON: the call that goes on, as its row would be now

CREATE TABLE model_calls (
    log                 INTEGER NOT NULL REFERENCES runs (log) ON DELETE CASCADE,  -- of its run
    number              INTEGER NOT NULL,       -- 1, 2, 3 … within the run
    step                INTEGER NOT NULL,       -- of the turn, from 1; 0: the session's title, not in the run's sums
    model               TEXT NOT NULL,          -- as the models file names it
    provider            TEXT NOT NULL,          -- likewise
    input_tokens        INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,       -- of the input_tokens
    output_tokens       INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,       -- of the output_tokens
    estimated           INTEGER NOT NULL CHECK (estimated IN (0, 1)),  -- the provider has not counted
    cost                INTEGER,                -- in 10⁻⁹ of the currency, at the price of that time; NULL: not known
    first_token_ms      INTEGER,                -- from the request to the answer's first token; NULL: none came
    duration_ms         INTEGER NOT NULL,
    outcome             TEXT NOT NULL,          -- completed, incomplete, cancelled, interrupted, or an error's code
    PRIMARY KEY (log, number)
) STRICT, WITHOUT ROWID;
