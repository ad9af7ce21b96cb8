"""A whole partition in one thread and no time: the real writer around the real core, seeded.

Kafka, the disk, the archive and the clock are played (broker.py, shelf.py, archive.py, loop.py);
writer, journal writer, seat, checkpoints and takeover are the product's own (worker.py). world.py
brings the faults and holds the end against the model.
"""
