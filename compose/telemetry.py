"""Numbers of the writers and of the process for Prometheus. Never by tenant."""

import asyncio
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.roles.desk import Desk
from agents.roles.gateways import Gateways


class Gauges(Collector):
    """Reads the desk and the gateways, and counts the tasks of the loop it is asked in, whenever
    somebody looks.
    """

    def __init__(self, desk: Desk, gateways: Gateways) -> None:
        self._desk, self._gateways = desk, gateways

    def collect(self) -> Iterator[Metric]:
        """One sample per assigned partition and per gateway, and the number of tasks."""
        labels = ["partition"]
        lag = GaugeMetricFamily(
            "treasury_partition_lag_records", "Inbound records not yet decided.", labels=labels
        )
        age = GaugeMetricFamily(
            "treasury_checkpoint_age_seconds", "Time since the last checkpoint.", labels=labels
        )
        serving = GaugeMetricFamily(
            "treasury_partition_serving", "1 when the partition decides and answers.", labels=labels
        )
        seq = GaugeMetricFamily(
            "treasury_journal_seq", "Number of the last committed journal record.", labels=labels
        )
        for status in self._desk.statuses():
            name = [str(status.partition)]
            lag.add_metric(name, status.lag)
            age.add_metric(name, status.checkpoint_age_s)
            serving.add_metric(name, 1 if status.state == "serving" else 0)
            seq.add_metric(name, status.seq)
        yield from (lag, age, serving, seq)
        breakers = GaugeMetricFamily(
            "treasury_gateway_breakers_open",
            "Breakers that are not closed, one for each owner of a gateway's credentials.",
            labels=["gateway"],
        )
        for gateway, count in self._gateways.open_breakers().items():
            breakers.add_metric([gateway], count)
        yield breakers
        yield GaugeMetricFamily(
            "treasury_asyncio_tasks",
            "Tasks of the event loop that have not ended.",
            value=len(asyncio.all_tasks()),
        )
