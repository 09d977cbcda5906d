"""Publishing in the children of a process that has published: `gunicorn --preload`, uWSGI, `multiprocessing`."""

from __future__ import annotations

from kombu import Connection

from .conftest import Project

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues: {low: {bindings: [{exchange: tasks, key: low}]}}
unmatched: low
"""

#: Counts the connections of each process. A child that does not end in time ends itself.
FORKS = """
import json, multiprocessing, os, signal, sys, threading
import amqp
from celery import Celery
from routectl.routing.celery import configure

app = Celery("web", broker=os.environ["PROJ_BROKER"])
configure(app, "queues.yaml")
made, connect = [], amqp.Connection.connect
amqp.Connection.connect = lambda self, *args: (made.append(self), connect(self, *args))[1]

def send(count, **options):
    for number in range(count):
        app.send_task("x", [os.getpid(), number], ignore_result=True, **options)

def child(**options):
    signal.alarm(60)
    made.clear()
    send(20, **options)
    os._exit(0 if len(made) == 1 else 3)

threads = [threading.Thread(target=send, args=(5,)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
send(1)
own = app.connection_for_write()
send(1, connection=own)
before = len(made)
codes = []
for options in ({}, {}, {"connection": own}):
    pid = os.fork()
    if pid == 0:
        child(**options)
    send(5)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
send(5)
process.join()
codes.append(process.exitcode)
send(1, connection=own)
print(json.dumps({"children": codes, "new connections of the parent": len(made) - before}))
"""


def test_forked_children_publish_on_connections_of_their_own(project: Project) -> None:
    project.provision()
    assert project.python(FORKS) == {"children": [0, 0, 0, 0], "new connections of the parent": 0}
    with Connection(project.url) as connection, connection.channel() as channel:
        sent = channel.queue_declare("low", passive=True).message_count
    assert sent == 20 + 2 + 4 * (20 + 5) + 1
