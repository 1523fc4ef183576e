-- Events whose effect a consumer has recorded, so that a message that comes twice has it once.
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_by_age ON inbox (seen_at);

-- Who gets which events. A deleted one is kept without its secrets until its deliveries are gone.
CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    url text NOT NULL CHECK (length(url) BETWEEN 1 AND 8000),
    description text NOT NULL,
    -- Empty: every type.
    event_types text[] NOT NULL,
    secret text NOT NULL,
    previous_secret text,
    previous_until timestamptz,
    state text NOT NULL CHECK (state IN ('enabled', 'disabled', 'deleted')),
    disabled_reason text CHECK (disabled_reason IN ('manual', 'gone', 'failing', 'overfull')),
    failing_since timestamptz,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CHECK ((disabled_reason IS NOT NULL) = (state = 'disabled'))
);

-- An event on its way to an endpoint.
CREATE TABLE webhook_deliveries (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    subject text NOT NULL,
    aggregate_version bigint NOT NULL,
    -- The CloudEvent as it is sent.
    body text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    -- Attempts before a person asked for it again: its schedule begins anew then.
    earlier_attempts integer NOT NULL DEFAULT 0 CHECK (earlier_attempts BETWEEN 0 AND attempts),
    last_status smallint,
    last_error text,
    created_at timestamptz NOT NULL,
    -- When the event was taken, or when a person asked for it again after it had ended.
    schedule_began_at timestamptz NOT NULL,
    ended_at timestamptz CHECK ((ended_at IS NULL) = (state = 'pending')),
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, subject, aggregate_version, id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (endpoint_id, state, id);
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at);

-- What waits for one endpoint about one aggregate, while anything does: the lane's first delivery is sent, and the
-- others are parked behind it. Whoever adds to a lane, sends from it or ends it locks its row. `fence` is another one
-- with each lease, also of a lane that ended meanwhile, so that a sender who slept through its own records nothing.
CREATE SEQUENCE webhook_fences;
CREATE TABLE webhook_lanes (
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    subject text NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    fence bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (endpoint_id, subject)
);
CREATE INDEX webhook_lanes_due ON webhook_lanes (endpoint_id, next_attempt_at);
CREATE INDEX webhook_lanes_leased ON webhook_lanes (leased_until);

-- Every request that was made, or tried.
CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    attempt integer NOT NULL CHECK (attempt > 0),
    at timestamptz NOT NULL,
    status smallint,
    error text,
    duration_ms integer NOT NULL CHECK (duration_ms >= 0),
    PRIMARY KEY (delivery_id, attempt)
);
