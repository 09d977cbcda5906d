"""Findings about exchanges, queues, bindings, policies, users and workers that do not fit together."""

from __future__ import annotations

from ...base.finding import Severity
from .rule import LintRule

RULES = (
    LintRule(
        "unknown-name",
        summary="A queue, exchange or upstream is used but not declared in the file",
        why="RabbitMQ would refuse the binding, or messages would be published to a queue that does not "
        "exist.",
        example="queues: {high: {}}\nroutes: [{tasks: billing.*, queue: hihg}]",
        fix="Correct the name, or declare it; if something else creates it, with `external: true`, or with "
        "`external: later` if it need not exist yet.",
    ),
    LintRule(
        "conflict",
        summary="Two settings contradict or repeat each other",
        why="Only one of them can take effect, and the file does not say which.",
        example="queues: {high: {}}\nworkers: {high: {queues: [high, high]}}",
        fix="Keep one of them.",
    ),
    LintRule(
        "ambiguous-queue",
        summary="One queue is needed, but the queue named has shards",
        why="A message goes to exactly one shard, and nothing chooses it here.",
        example="queues: {orders: {shards: 8}}\nroutes: [{tasks: orders.*, queue: orders}]",
        fix="Choose the shard by an argument with `shard_by: kwargs.NAME`, or name one shard, such as "
        "`orders.0`.",
    ),
    LintRule(
        "bad-binding",
        summary="A binding cannot work with its exchange",
        why="RabbitMQ would refuse it, ignore part of it, or deliver each message to several queues.",
        example="queues: {high: {bindings: [{exchange: amq.topic, headers: {tier: high}}]}}",
        fix="Bind with what the exchange type evaluates: a key, headers, or a weight.",
    ),
    LintRule(
        "unknown-exchange-type",
        severity=Severity.WARNING,
        summary="An exchange has a type that neither RabbitMQ nor a well-known plugin defines",
        why="RabbitMQ refuses it unless a plugin defines it, and routectl cannot tell where it would route.",
        example="exchanges: {dedup: {type: x-message-deduplication}}",
        fix="Correct the type, or enable the plugin on every node.",
    ),
    LintRule(
        "wrong-argument",
        summary="A setting does not apply to this type of queue, exchange or policy",
        why="RabbitMQ refuses such a declaration, or ignores the setting.",
        example="queues: {high: {type: quorum, max_priority: 9}}",
        fix="Remove the setting, or change the type.",
    ),
    LintRule(
        "wrong-version",
        summary="A RabbitMQ version in `targets`, or the connected broker, does not support a setting",
        why="That version refuses or ignores it, so the broker would differ from the file.",
        example='targets: ["3.10"]\nqueues: {high: {type: quorum, consumer_timeout: 1h}}',
        fix="Remove the setting, upgrade the broker, or remove the version from `targets`.",
    ),
    LintRule(
        "bad-rename",
        summary="`renamed_from` of a queue names a queue that cannot be moved to it",
        why="The messages of a former queue go to one other, and then it is deleted.",
        example="queues: {urgent: {renamed_from: high}, high: {}}",
        fix="Remove the former queue from the file, or remove `renamed_from`.",
    ),
    LintRule(
        "bad-argument",
        summary="RabbitMQ cannot store an argument or a header",
        why="RabbitMQ's management API answers `null` with an error, also within lists and maps, or stores the text "
        "`undefined`; a name that is longer than 255 bytes cannot be sent.",
        example="queues: {high: {bindings: [{exchange: amq.headers, headers: {tier: null}}]}}",
        fix="Remove it, or give it another value.",
    ),
    LintRule(
        "outdated-setting",
        severity=Severity.WARNING,
        summary="A RabbitMQ version in `targets` ignores a setting, or denies it by default",
        why="`queue_mode` has no effect since 3.12, and limits of messages in memory since 4.3; 4.3 denies transient "
        "queues unless `deprecated_features.permit.transient_nonexcl_queues` is set.",
        example='targets: ["4.3"]\nqueues: {high: {durable: false}}',
        fix="Remove the setting.",
    ),
    LintRule(
        "misplaced-key",
        summary="An argument or policy key is written under `arguments`, although it has its own field",
        why="Fields are checked against queue type and version; the same setting in two places could "
        "conflict.",
        example="queues: {high: {arguments: {x-max-priority: 9}}}",
        fix="Use the field that the help names.",
    ),
    LintRule(
        "unknown-argument",
        severity=Severity.WARNING,
        summary="RabbitMQ does not evaluate an argument, or does not know a policy key",
        why="It accepts an unknown argument silently and ignores it, so a misspelt limit does not limit anything. It "
        "refuses an unknown key of a policy, and an unknown parameter of a shovel or an upstream.",
        example="queues: {high: {arguments: {x-max-lenght: 1000}}}",
        fix="Use the field that the help names, or remove the argument if no plugin evaluates it.",
    ),
    LintRule(
        "literal-wildcard",
        severity=Severity.WARNING,
        summary="A binding key looks like a pattern, but its exchange compares it literally",
        why="A topic exchange knows only `*` and `#`, each as a word of its own between dots; a direct exchange knows "
        "no wildcards. Such a binding takes no message.",
        example="queues: {high: {bindings: [{exchange: amq.topic, key: order_*.created}]}}",
        fix="Write `*` for one word and `#` for any number, or several bindings.",
    ),
    LintRule(
        "bad-profile",
        summary="A worker profile cannot be run",
        why="Celery workers cannot consume streams, and a worker without a shard would have nothing to do.",
        example="queues: {log: {type: stream}}\nworkers: {log: {queues: [log]}}",
        fix="List classic and quorum queues only, and no more `shares` than there are shards.",
    ),
    LintRule(
        "bad-order",
        summary="The `order` of a profile, its weights or its reserved slots cannot be followed",
        why="Weights of an order that does not use them, or of queues that the worker does not take, would be ignored "
        "without a word. If all slots are reserved for higher queues, tasks of the lower ones never start.",
        example="queues: {high: {}, low: {}}\nworkers: {all: {queues: [high, low], weights: {high: 4}}}",
        fix="Write `order: weighted` with `weights`, name queues of the profile, and reserve fewer slots than it has.",
    ),
    LintRule(
        "ineffective-order",
        severity=Severity.WARNING,
        summary="A setting for the order of tasks has no effect",
        why="Only profiles with `order: strict` or `weighted` use `max_wait`, for one of several queues. Their workers "
        "do not prefetch, and a single queue needs neither weights nor reserved slots.",
        example="queues: {high: {}, low: {max_wait: 1m}}\nworkers: {all: {queues: [high, low]}}",
        fix="Remove it, or set the `order` of a profile that takes the queue and others.",
    ),
    LintRule(
        "starving-queue",
        severity=Severity.WARNING,
        summary="Tasks of a queue may wait for ever",
        why="With `order: strict`, no task starts while a higher queue has one. When there is more work in the higher "
        "queues than the workers can do, the lower ones stand still.",
        example="queues: {high: {}, low: {}}\nworkers: {all: {queues: [high, low], order: strict}}",
        fix="Give the queue a `max_wait`, or list it first in another profile, or with `order: weighted`.",
    ),
    LintRule(
        "pushed-queue",
        severity=Severity.WARNING,
        summary="A queue of a profile with an order needs a consumer all the time",
        why="Of other queues, workers fetch a task when it can start. Tasks of this one are pushed: each worker holds "
        "one until its turn, which no other worker can start meanwhile. With `acks_late`, a worker runs one of its "
        "tasks at a time; with a single active consumer, one at a time runs in all.",
        example="queues: {high: {}, low: {max_wait: 1m, single_active_consumer: true}}\n"
        "workers: {all: {queues: [high, low], order: strict}}",
        fix="Remove the setting, or take the queue in a profile of its own; accept it if a held task does no harm.",
    ),
    LintRule(
        "expiring-queue",
        severity=Severity.WARNING,
        summary="A policy deletes a queue while the workers of a profile with an order are busy",
        why="A worker whose slots all run tasks has no consumer of its queues, and asks for no task. RabbitMQ deletes "
        "a queue that is not used for the time in `expires`, with its messages.",
        example="queues: {high: {}, low: {max_wait: 1m}}\n"
        "policies: {tidy: {pattern: low, definition: {expires: 10m}}}\n"
        "workers: {all: {queues: [high, low], order: strict}}",
        fix="Set `expires` at the queue instead, of which workers then keep a consumer, or exclude it from the policy.",
    ),
    LintRule(
        "prefetched-queue",
        severity=Severity.WARNING,
        summary="Workers without an order hold tasks that workers with an order could start",
        why="RabbitMQ pushes tasks to Celery's own consumer ahead, four for each slot by default. They wait in a busy "
        "worker while others are idle, and lower tasks start before them.",
        example="queues: {high: {}, low: {}}\n"
        "workers:\n"
        "  high: {queues: [high], concurrency: 2}\n"
        "  low: {queues: [low, high], order: strict}",
        fix="Give the profile an `order`, also with a single queue: its workers hold no tasks. With "
        "`prefetch_multiplier: 1` they hold at most one for each slot.",
    ),
    LintRule(
        "short-consumer-timeout",
        severity=Severity.WARNING,
        summary="RabbitMQ takes tasks back from a worker with an order while they may still run",
        why="With `acks_late`, a task is acknowledged at its end. If that takes longer than the queue's "
        "`consumer_timeout`, RabbitMQ closes the worker's channel, and the task starts a second time.",
        example="""\
exchanges: {tasks: {type: topic}}
queues:
  high: {}
  low: {type: quorum, consumer_timeout: 10m, max_wait: 1m, bindings: [{exchange: tasks, key: low}]}
workers: {all: {queues: [high, low], order: strict, acks_late: true, time_limit: 1h}}""",
        fix="Raise `consumer_timeout` above `time_limit`, lower `time_limit`, or set `acks_late: false`.",
    ),
    LintRule(
        "dead-end",
        severity=Severity.WARNING,
        summary="Dead letters, or messages for an alternate exchange, reach no queue",
        why="RabbitMQ discards them silently: the exchange has no binding, or none that takes the key. Without a "
        "`routing_key`, a dead letter keeps the key with which it was published.",
        example="exchanges: {dead: {type: direct}}\n"
        "queues:\n"
        "  high: {dead_letter: {exchange: dead}}\n"
        "  failed: {bindings: [{exchange: dead, key: failed}]}",
        fix="Bind a queue to the exchange, or set the `routing_key` that one of its bindings takes.",
    ),
    LintRule(
        "dead-letter-limit",
        severity=Severity.WARNING,
        summary="A dead-letter queue discards messages that are delivered too often",
        why="Looking at a message, as with the management page, returns it to the queue, which counts as a delivery. "
        "RabbitMQ 4.x limits deliveries to 20 by default, and a queue without a dead letter exchange discards the "
        "message.",
        example="""\
defaults: {queue: {type: quorum}}
exchanges: {dead: {type: fanout}}
queues:
  high: {dead_letter: {exchange: dead}}
  dead: {bindings: [{exchange: dead}]}""",
        fix="Write `delivery_limit: none` for the dead-letter queue.",
    ),
    LintRule(
        "consumed-dead-letters",
        severity=Severity.WARNING,
        summary="A worker profile consumes a dead-letter queue",
        why="Workers would run the tasks again, or discard them, before anyone has looked at them.",
        example="""\
exchanges: {dead: {type: fanout}}
queues:
  high: {dead_letter: {exchange: dead}}
  dead: {bindings: [{exchange: dead}]}
workers: {all: {queues: [high, dead]}}""",
        fix="Remove the queue from the profile; accept it with `--allow consumed-dead-letters` if its workers are "
        "there to handle dead letters.",
    ),
    LintRule(
        "bad-worker-option",
        summary="A profile has `options` that `celery worker` refuses, or that contradict the profile",
        why="The worker would not start, or would not do what the profile says, which `check` and `route` rely on.",
        example="queues: {low: {}, high: {}}\nworkers: {low: {queues: [low], options: [-Q, high]}}",
        fix="Use the profile's own fields; pass options of a single start, such as `--detach`, on the command line.",
    ),
    LintRule(
        "unknown-worker-option",
        summary="A profile has `options` that Celery itself does not have",
        why="The worker does not start unless the app adds the option to `celery worker`.",
        example="queues: {low: {}}\nworkers: {low: {queues: [low], options: [--zone=eu]}}",
        fix="Correct it, or ignore this if the app adds it by `app.user_options`.",
        severity=Severity.WARNING,
    ),
)
