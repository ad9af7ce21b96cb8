"""Every module that handles events: importing this one fills the registry, nothing else does."""

from agents import auth, cafe, clock, commands, gateways, inventory, logistics, pos, projects
from agents.accounting import dunning, metering, settlements

__all__ = [
    "auth",
    "cafe",
    "clock",
    "commands",
    "dunning",
    "gateways",
    "inventory",
    "logistics",
    "metering",
    "pos",
    "projects",
    "settlements",
]
