-- What shoppers searched for in the last weeks, counted from behaviour events. Replaced whole, channel by channel.
CREATE TABLE report_search_windows (
    channel text PRIMARY KEY REFERENCES channels (code),
    first_day date NOT NULL,
    last_day date NOT NULL,
    -- Of every term, also of those that are too rare to be shown.
    searches bigint NOT NULL,
    as_of timestamptz NOT NULL,
    CHECK (first_day <= last_day)
);

CREATE TABLE report_search_terms (
    channel text NOT NULL REFERENCES report_search_windows (channel) ON DELETE CASCADE,
    term text NOT NULL CHECK (length(term) BETWEEN 1 AND 200),
    searches bigint NOT NULL,
    sessions bigint NOT NULL,
    visitors bigint NOT NULL,
    counted bigint NOT NULL,
    without_results bigint NOT NULL,
    clicked bigint NOT NULL,
    reformulated bigint NOT NULL,
    reformulated_to text,
    reformulated_to_sessions bigint NOT NULL,
    top_product uuid,
    sales bigint NOT NULL,
    waited_ms_p95 bigint,
    PRIMARY KEY (channel, term)
);
