"""A torch module of the user's as one block of a net.

`description` says which module it is, so that equal ones are trained in one stack; `survey` calls it once
and says what it consists of; `layers` puts dropout and batch norm of the engine in the place of torch's;
`block` is the block that trains and evaluates it.
"""

from skreg.net.own.block import OwnNet
from skreg.net.own.description import OwnModule
from skreg.net.own.survey import survey_of

__all__ = ["OwnModule", "OwnNet", "survey_of"]
