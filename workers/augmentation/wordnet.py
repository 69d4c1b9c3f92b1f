"""Synonyms from WordNet, by nltk, which is installed only where a recipe asks for it."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module

from shared.errors import ConfigError
from workers.augmentation.replacement import Lexicon

_WORD = re.compile(r"[^\W\d_]{3,}")
# Without knowing the meaning that a word has in its sentence, each replacement is a risk: EDA (section 3.3) found 5 to
# 10 % of all words best, and about half of them have no synonym.
_SHARE = 0.2
# Words that WordNet knows as nouns, too, and as such first.
_FUNCTION_WORDS = """
    about above after all also and any are been before being below between both but can could did does doing down
    during each few for from further had has have having her here him his how into its just may might more most must
    nor not now off once one only other our out over own same she should some such than that the their them then
    there these they this those through too two under until very was were what when where which while who whom why
    will with would you your
"""


def wordnet_lexicon() -> Lexicon:
    """Synonyms of a word's most frequent sense. English; inflected forms are left as they are.

    Raises:
        ConfigError: nltk or its data is missing; says how to get them.
    """
    try:
        wordnet = import_module("nltk.corpus").wordnet
        wordnet.ensure_loaded()
    except ImportError as error:
        raise ConfigError(
            "a recipe of kind = 'wordnet' needs nltk, which is not installed here. "
            "Install it with: pip install 'quietcorner[wordnet]'"
        ) from error
    except LookupError as error:
        raise ConfigError(
            "nltk is installed, but WordNet's data is not. Get it with: python -m nltk.downloader wordnet "
            "(or set NLTK_DATA to a folder that holds corpora/wordnet)"
        ) from error

    passed_over = frozenset(_FUNCTION_WORDS.split())

    @lru_cache(maxsize=100_000)
    def lookup(found: str) -> Sequence[str]:
        word = found.lower()
        senses = [] if word in passed_over else wordnet.synsets(word)
        names = [str(name) for name in senses[0].lemma_names()] if senses else []
        if word not in names:  # an inflected form: its base form's synonyms would not fit
            return ()
        return tuple(name.replace("_", " ") for name in names if name.lower() != word)

    return Lexicon(_WORD, lookup, share=_SHARE)
