"""Every module that handles events: importing this one fills the registry, nothing else does."""

from agents import auth, cafe, clock, commands, gateways, pos

__all__ = ["auth", "cafe", "clock", "commands", "gateways", "pos"]
