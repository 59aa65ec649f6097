"""Whether rlformer works on this machine, and the command that mends what does not.

Nothing heavy is imported before it is examined: a doctor has to work where little else does.
"""

from rlformer.studies.doctor.examination import Examination, Finding, examine

__all__ = ["Examination", "Finding", "examine"]
