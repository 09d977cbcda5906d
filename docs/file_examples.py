"""The introduction and the examples of the file reference. A test loads every example."""

HEAD = """\
# The file

<!-- Generated from the model (topology/model) by docs/generate.py: edit the model, then run `make docs`. -->

One YAML file declares the exchanges, queues and bindings, the queue that each task is routed to, and the queues that
each worker consumes. `routectl lint` finds mistakes; `routectl schema` prints the JSON Schema that editors use to
complete and validate the file (also in [queues.schema.json](queues.schema.json)). Unknown keys, duplicate keys and
unresolved names are errors.

## Values

- **Durations**: `500ms`, `30s`, `15m`, `12h`, `7d`, `2w`, `1.5h`, or several units as in `1h30m`. A bare number
  is a warning: it counts milliseconds in RabbitMQ's settings, and seconds in Celery's and at links.
- **Sizes**: `512KiB`, `200MB`, `2GiB`, or a bare number of bytes. `KiB`, `MiB`, `GiB` and `TiB` are powers of 1024;
  `KB`, `MB`, `GB` and `TB` of 1000.
- **Ages** of streams: `12h`, `7D`, `3M`, `1Y`, in RabbitMQ's notation.
- **Names**: up to 255 bytes of UTF-8, without line breaks. Names that begin with `amq.` are reserved by RabbitMQ:
  of its own exchanges, the file can only say what they are bound to, as in `exchanges: {amq.topic: {bindings: […]}}`.
- **Lists** of names or strings with a single item may be written as that item.
- **Omitted fields** of an exchange, a queue, a policy or a permission have their default: these objects are described
  as a whole, so a plan also shows what somebody else has set on them. Arguments that RabbitMQ does not know are the
  exception: they are left unchanged. Omitted fields of a user or a vhost (tags, password, description, default queue
  type, limits) are left unchanged. `field: null` resets a field that `defaults` sets.
- **Arguments and headers** keep their type: `2` and `2.0` are different headers. `null` is an error, as the management
  API cannot store it.
- **Tags** of users and vhosts are separated by commas, as in `tags: administrator, monitoring`, or are a list.

## Variables, overlays and includes

- `${NAME}` is an environment variable, `${NAME:-default}` has a default, and `${NAME:?message}` has an error message
  for when it is not set, in values and in names: `"${ENV}.low": {…}`. `$${` is a literal `${`. Inside `[ ]` and `{ }`,
  quote the text.
- With `-f base.yaml -f prod.yaml` the later file overrides the earlier one: maps are merged, lists and single
  values are replaced, and `field: null` resets a field.
- `include:` lists more files of the same format, relative to the including file; `*` includes all that match. Maps are
  merged and lists are concatenated; two different values for one field are an error.
- Passwords and URIs with passwords must come from variables or files; literal ones are an error, also in headers,
  options and arguments, where keys such as `password`, `api_key` and `token` count as secret. Only `plan` and `apply`
  need those of users, links and global parameters. In a URI, also in its variables, `#`, `/`, `?`, `%`, `@` and `:` of
  a user name, a password or a vhost are percent-encoded.
"""

EXAMPLES: dict[str, str] = {
    "Topology": """
version: 1
name: shop
targets: ["3.13", "4.3"]
vhost: shop
queues:
  high: {type: quorum}
vhosts:
  reports:
    queues: {nightly: {type: quorum}}
""",
    "Defaults": """
defaults:
  queue: {type: quorum, delivery_limit: 20, dead_letter: {exchange: dead}}
exchanges: {dead: {type: fanout}}
queues:
  high:
  dead: {bindings: [{exchange: dead}], dead_letter: null, delivery_limit: none}
""",
    "Exchange": """
exchanges:
  tasks: {type: topic, alternate_exchange: lost}
  lost: {type: fanout}
  partner: {type: topic, external: true}
  audit: {type: fanout, bindings: [{exchange: tasks, key: "billing.#"}]}
queues:
  lost: {bindings: [{exchange: lost}]}
""",
    "Binding": """
exchanges:
  tasks: {type: topic}
  events: {type: headers}
queues:
  high: {bindings: [{exchange: tasks, key: high}, {exchange: tasks, key: "urgent.#"}]}
  eu: {bindings: [{exchange: events, match: all, headers: {region: eu, gold: true}}]}
""",
    "Queue": """
queues:
  high: {type: quorum, delivery_limit: 20, message_ttl: 7d}
  thumbs: {max_length: 10000, overflow: reject-publish, max_priority: 3}
  audit: {type: stream, max_age: 30D, max_length_bytes: 20GiB}
  once: {arguments: {x-message-deduplication: true}} # evaluated by a plugin
""",
    "DeadLetter": """
exchanges: {dead: {type: fanout}}
queues:
  high:
    type: quorum
    overflow: reject-publish
    dead_letter: {exchange: dead, strategy: at-least-once}
  dead: {type: quorum, delivery_limit: none, bindings: [{exchange: dead}]}
""",
    "Policy": """
policies:
  keep-a-week: {pattern: "^low$", apply_to: queues, priority: 1, definition: {message_ttl: 7d}}
operator_policies:
  no-giants: {pattern: ".*", apply_to: queues, definition: {max_length_bytes: 10GiB}}
""",
    "Federation": """
federation:
  upstreams:
    berlin: {uri: "${BERLIN_URI}", max_hops: 1, reconnect_delay: 5s}
  upstream_sets:
    all-europe: [{upstream: berlin}]
policies:
  federate: {pattern: "^events$", apply_to: exchanges, definition: {federation_upstream_set: all-europe}}
""",
    "Shovel": """
shovels:
  to-archive:
    {src_uri: "amqp://", src_queue: audit, dest_uri: "${ARCHIVE_URI}", dest_queue: audit, ack_mode: on-confirm}
""",
    "User": """
vhost: shop
users:
  app:
    password: ${APP_PASSWORD}
    permissions: {shop: {configure: 'celery\\.pidbox$|^celeryev', write: ".*", read: ".*"}}
  ci: {tags: management, password_file: ci.password}
""",
    "Route": """
queues: {high: {max_priority: 9}, low: , normal: }
routes:
  - {tasks: billing.charge, queue: high, priority: 9}
  - {tasks: [billing.*, payments.*], queue: high}
  - {tasks: "{queue}:*", queue: "{queue}"}
  - {tasks: '/legacy\\.v[12]\\..+/', queue: low}
  - {tasks: mail.*, queue: low, expires: 1h, rate_limit: 100/m}
unmatched: normal
""",
    "Condition": """
queues: {gold: , normal: , big: , orders: {shards: 8}}
routes:
  - {tasks: export.*, queue: gold, when: {kwargs.plan: [gold, platinum], headers.tenant: acme}}
  - {tasks: export.*, queue: big, when: {kwargs.rows: {gt: 100000}, kwargs.preview: {present: false}}}
  - {tasks: orders.*, queue: orders, shard_by: [kwargs.account_id, args.0]}
unmatched: normal
""",
    "RouteTest": """
queues: {high: {max_priority: 9}, normal: }
routes: [{tasks: billing.*, queue: high, when: {kwargs.amount: {ge: 1000}}, priority: 9}]
unmatched: normal
tests:
  - {task: billing.charge, kwargs: {amount: 5000}, queue: high, priority: 9}
  - {task: billing.charge, kwargs: {amount: 5}, queue: normal}
""",
    "Rails": """
queues: {high: , low: }
unmatched: low
rails: {changed: 50%}
""",
    "AllowedFinding": """
queues: {high: {}, legacy: {}}
unmatched: high
allow:
  - {code: unreached-queue, object: legacy, reason: the old shop names it in its calls until May}
""",
    "Profile": """
queues: {high: , low: {max_wait: 1m}}
workers:
  high: {queues: high, concurrency: 8, prefetch_multiplier: 1, acks_late: true}
  low: {queues: low, prefetch_multiplier: 1, pool: threads, time_limit: 5m, options: [--without-gossip]}
  all: {queues: [high, low], order: weighted, weights: {high: 4, low: 1}, reserve: {high: 1}, concurrency: 4}
""",
}
