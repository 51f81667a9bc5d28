"""A durable consumer of ticketing's public events.

    pip install --require-hashes -r requirements.txt
    NATS_URL=nats://127.0.0.1:4222 GROUP=mailer HANDLED=handled.txt python consumer.py

The server remembers how far the group has come; several with the same GROUP share the work. An
event that was not acknowledged comes again, so its id is stored together with what was done for it.
One that cannot be handled is tried a few times and then set aside as a dead letter.
"""

import asyncio
import os

import nats
from nats.js.api import AckPolicy, ConsumerConfig

ATTEMPTS_MAX = 3
NATS_URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
STREAM = os.environ.get("STREAM", "TICKETING")
GROUP = os.environ.get("GROUP", "example")
HANDLED = os.environ.get("HANDLED", "handled.txt")
POISON = os.environ.get("POISON", "")


class Store:
    """What was done, with the ids of the events it was done for. In your program this is a table in
    the database that holds the effect, written in the same transaction."""

    def __init__(self, path):
        self.file = open(path, "a+", encoding="utf-8")
        self.file.seek(0)
        self.ids = {line.split(" ")[0] for line in self.file}

    def store(self, event_id, line):
        # One write, so that effect and id are there together or not at all.
        self.file.write(f"{event_id} {line}\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.ids.add(event_id)


def handle(message):
    """What there is to do for an event. Here: a line about it."""
    kind = message.headers["ce-type"]
    if kind == POISON:
        raise ValueError(f"cannot handle {kind}")
    return f"{kind} {message.headers['ce-subject']}"


async def failed(jetstream, message, error):
    """Tries again later, or sets the event aside."""
    attempt = message.metadata.num_delivered
    if attempt < ATTEMPTS_MAX:
        await message.nak(delay=0.2 * attempt)
        return
    inner = message.subject.removeprefix("ticketing.")
    about = {name: message.headers[name] for name in ("ce-id", "ce-type", "ce-subject", "ce-time")}
    about["Dead-Letter-Reason"] = str(error)
    subject = f"ticketing-dead-letters.{GROUP}.{inner}"
    await jetstream.publish(subject, message.data, headers=about)
    print(f"set aside: {error}", flush=True)
    await message.term()


async def main():
    store = Store(HANDLED)
    connection = await nats.connect(NATS_URL)
    jetstream = connection.jetstream()
    consumer = await jetstream.pull_subscribe(
        "ticketing.>",  # All events; ticketing.ticket.*.sold would be one kind.
        durable=GROUP,
        stream=STREAM,
        config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=30),
    )
    print(f"consuming as {GROUP}", flush=True)
    while True:
        try:
            messages = await consumer.fetch(100, timeout=5)
        except asyncio.TimeoutError:  # nothing came; the library's own error is one too
            continue
        for message in messages:
            event_id = message.headers["ce-id"]
            if event_id in store.ids:
                await message.ack()
                continue
            try:
                store.store(event_id, handle(message))
            except Exception as error:  # Whatever goes wrong, the next event is not to wait for it.
                await failed(jetstream, message, error)
            else:
                await message.ack()


asyncio.run(main())
