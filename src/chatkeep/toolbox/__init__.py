"""The functions that come with chatkeep; importing this package declares them all."""

from chatkeep.toolbox import asking as asking
from chatkeep.toolbox import jokes as jokes
from chatkeep.toolbox import memory as memory
