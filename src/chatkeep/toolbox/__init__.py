"""The functions that come with chatkeep. Importing this package declares them all."""

from chatkeep.toolbox import asking as asking
from chatkeep.toolbox import deadlines as deadlines
from chatkeep.toolbox import jokes as jokes
from chatkeep.toolbox import law as law
from chatkeep.toolbox import memory as memory
from chatkeep.toolbox import writing as writing
