"""From a model's text to Yes/No, to entities with boxes, and to what its backend reported.

No function here sees the reference, none raises on any text, and all take time linear in its length. A text
that cannot be read comes back as a ``Reason``.
"""

from qreal_tasks.answers.entities.fields import Dropped, ParsedEntity
from qreal_tasks.answers.entities.reading import Entities, parse_entities
from qreal_tasks.answers.entities.regions import Located, regions_in_pixels
from qreal_tasks.answers.scores import MOST_OF_A_REASON, Scores, parse_input_size, parse_scores, parse_unanswered
from qreal_tasks.answers.spoken import Reason
from qreal_tasks.answers.verdict.judgment import Judgment, parse_judgment

__all__ = [
    "MOST_OF_A_REASON",
    "Dropped",
    "Entities",
    "Judgment",
    "Located",
    "ParsedEntity",
    "Reason",
    "Scores",
    "parse_entities",
    "parse_input_size",
    "parse_judgment",
    "parse_scores",
    "parse_unanswered",
    "regions_in_pixels",
]
