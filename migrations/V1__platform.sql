-- The catalogue: what changes seldom. Money is BIGINT in units of 0.0001 yuan, rates in millionths.

CREATE TABLE merchants (
    merchant_id text PRIMARY KEY,
    name        text NOT NULL
);

CREATE TABLE businesses (
    business_id        text PRIMARY KEY,
    merchant_id        text NOT NULL REFERENCES merchants,
    enabled            boolean NOT NULL,
    rsa_allowed        boolean NOT NULL,
    md5_allowed        boolean NOT NULL,
    callback_url       text,
    callback_sign_type text NOT NULL CHECK (callback_sign_type IN ('SHA256-RSA', 'MD5')),
    ip_allow           text[] NOT NULL,
    rate_limit         bigint NOT NULL CHECK (rate_limit >= 0),
    max_in_flight      bigint NOT NULL CHECK (max_in_flight >= 0)
);

CREATE TABLE business_keys (
    business_id text NOT NULL REFERENCES businesses,
    kind        text NOT NULL CHECK (kind IN ('SHA256-RSA', 'MD5')),
    key         text NOT NULL,
    not_before  timestamptz,
    not_after   timestamptz,
    PRIMARY KEY (business_id, kind, key)
);

-- Prepaid money and what is held of it for open orders. The credit line is how far the free part may go below zero.
CREATE TABLE balances (
    business_id text PRIMARY KEY REFERENCES businesses,
    prepaid     bigint NOT NULL DEFAULT 0,
    held        bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    credit_line bigint NOT NULL DEFAULT 0 CHECK (credit_line >= 0),
    CONSTRAINT balance_within_credit_line CHECK (prepaid - held + credit_line >= 0)
) WITH (fillfactor = 50);

CREATE TABLE products (
    product_code    text PRIMARY KEY,
    name            text NOT NULL,
    lane            text NOT NULL,
    face_value      bigint CHECK (face_value > 0),
    min_spec        bigint,
    max_spec        bigint,
    step            bigint CHECK (step > 0),
    account_pattern text,
    attach_fields   jsonb NOT NULL,
    on_sale         boolean NOT NULL,
    wait_for_ms     bigint NOT NULL CHECK (wait_for_ms >= 0),
    CHECK ((face_value IS NULL) = (min_spec IS NOT NULL AND max_spec IS NOT NULL AND step IS NOT NULL))
);

-- Only for products whose stock is counted.
CREATE TABLE stock (
    product_code text PRIMARY KEY REFERENCES products,
    units_left   bigint NOT NULL CHECK (units_left >= 0)
) WITH (fillfactor = 50);

CREATE TABLE prices (
    business_id  text NOT NULL REFERENCES businesses,
    product_code text NOT NULL REFERENCES products,
    price        bigint CHECK (price > 0),
    rate         bigint CHECK (rate > 0),
    PRIMARY KEY (business_id, product_code),
    CHECK ((price IS NULL) <> (rate IS NULL))
);

CREATE TABLE suppliers (
    supplier_id   text PRIMARY KEY,
    adapter       text NOT NULL,
    base_url      text NOT NULL,
    push_base_url text,
    enabled       boolean NOT NULL,
    card          jsonb NOT NULL,
    credentials   jsonb NOT NULL
);

CREATE TABLE routes (
    product_code text NOT NULL REFERENCES products,
    supplier_id  text NOT NULL REFERENCES suppliers,
    sku          text NOT NULL,
    cost         bigint NOT NULL CHECK (cost >= 0),
    priority     int NOT NULL,
    enabled      boolean NOT NULL,
    PRIMARY KEY (product_code, supplier_id)
);

CREATE TABLE platform (
    only_row             boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    callback_private_key text,
    callback_allow       text[] NOT NULL DEFAULT '{}',
    catalogue_version    bigint NOT NULL DEFAULT 0
);
INSERT INTO platform DEFAULT VALUES;
