-- As on SQLite.
CREATE TABLE usage_by_day (
    owner               text NOT NULL,          -- a user's id; 'deleted' for those who are gone
    day                 text NOT NULL,          -- of UTC: 2026-11-30
    model               text NOT NULL,
    assistant           text NOT NULL,
    runs                bigint NOT NULL,        -- that have ended
    failures            bigint NOT NULL,        -- of the runs
    input_tokens        bigint  NOT NULL,
    cached_input_tokens bigint NOT NULL,        -- of the input_tokens
    output_tokens       bigint  NOT NULL,
    reasoning_tokens    bigint NOT NULL,        -- of the output_tokens
    cost                bigint NOT NULL,        -- in 10⁻⁹ of the currency, without the unpriced calls
    unpriced_calls      bigint NOT NULL,        -- calls of models whose price was not known
    PRIMARY KEY (owner, day, model, assistant)
);

CREATE INDEX usage_by_day_of_all ON usage_by_day (day, model);

CREATE TABLE limits (
    owner         text PRIMARY KEY,             -- also the lock that puts the claims of an owner in line
    open_runs     bigint,                       -- NULL, as below: the setting's
    messages_hour bigint,
    tokens_day    bigint,
    cost_day      bigint                        -- in 10⁻⁹ of the currency
);

CREATE TABLE holds (
    owner   text NOT NULL,
    run_id  uuid NOT NULL,
    made_at timestamptz NOT NULL,
    is_open boolean NOT NULL,
    tokens  bigint NOT NULL,                    -- estimated; 0 once the run has ended
    cost    bigint NOT NULL,                    -- likewise
    PRIMARY KEY (owner, run_id)
);

-- Runs from before there were rows of calls have their own sums.
INSERT INTO usage_by_day
SELECT CASE owner WHEN '' THEN 'deleted' ELSE owner END, day, model, assistant, SUM(runs), SUM(failures),
       SUM(input_tokens), SUM(cached_input_tokens), SUM(output_tokens), SUM(reasoning_tokens), SUM(cost),
       SUM(unpriced_calls)
  FROM (SELECT s.owner, TO_CHAR(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
               COALESCE(c.model, r.model) AS model,
               COALESCE(r.request ->> 'assistant', s.assistant) AS assistant, 0 AS runs, 0 AS failures,
               COALESCE(c.input_tokens, r.input_tokens) AS input_tokens,
               COALESCE(c.cached_input_tokens, r.cached_input_tokens) AS cached_input_tokens,
               COALESCE(c.output_tokens, r.output_tokens) AS output_tokens,
               COALESCE(c.reasoning_tokens, r.reasoning_tokens) AS reasoning_tokens,
               COALESCE(c.cost, CASE WHEN c.number IS NULL THEN r.cost END, 0) AS cost,
               CASE WHEN c.cost IS NULL AND (c.number IS NOT NULL OR (r.cost IS NULL AND r.input_tokens > 0))
                    THEN 1 ELSE 0 END AS unpriced_calls
          FROM runs r
          JOIN sessions s ON s.session_key = r.session_key
          LEFT JOIN model_calls c ON c.session_key = r.session_key AND c.run_number = r.number
         WHERE r.finished_at IS NOT NULL
        UNION ALL
        SELECT s.owner, TO_CHAR(r.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), r.model,
               COALESCE(r.request ->> 'assistant', s.assistant), 1,
               CASE r.status WHEN 'failed' THEN 1 ELSE 0 END, 0, 0, 0, 0, 0, 0
          FROM runs r
          JOIN sessions s ON s.session_key = r.session_key
         WHERE r.finished_at IS NOT NULL) AS used
 GROUP BY owner, day, model, assistant;
