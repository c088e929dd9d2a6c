"""What methods can be asked for: small protocols, so that whoever needs an ability asks for it, never for a class."""

from genbench.abilities.completing import FillsIn, FillsInByHints, Upsamples
from genbench.abilities.denoising import ClassifiesNoisy, Denoises, EmbedsNoisy
from genbench.abilities.drawing import (
    AttendsToWords,
    Draws,
    DrawsAlone,
    DrawsLarger,
    DrawsPartly,
    Generative,
    HasLatents,
    HasStyles,
    PerceivesStyled,
    TranslatesBack,
    TranslatesLike,
    in_words,
)
from genbench.abilities.embedding import (
    DecodesBoth,
    DecodesEmbeddings,
    DrawsEmbeddings,
    EmbedsImages,
    EmbedsTexts,
    EmbedsTokens,
    EncodesTexts,
    FollowsTexts,
    LeadsEmbeddings,
)
from genbench.abilities.encoding import Autoencodes, Codes
from genbench.abilities.likelihood import HasCodeLikelihood, HasLikelihood

__all__ = [
    "AttendsToWords",
    "Autoencodes",
    "ClassifiesNoisy",
    "Codes",
    "DecodesBoth",
    "DecodesEmbeddings",
    "Denoises",
    "Draws",
    "DrawsAlone",
    "DrawsEmbeddings",
    "DrawsLarger",
    "DrawsPartly",
    "EmbedsImages",
    "EmbedsNoisy",
    "EmbedsTexts",
    "EmbedsTokens",
    "EncodesTexts",
    "FillsIn",
    "FillsInByHints",
    "FollowsTexts",
    "Generative",
    "HasCodeLikelihood",
    "HasLatents",
    "HasLikelihood",
    "HasStyles",
    "LeadsEmbeddings",
    "PerceivesStyled",
    "TranslatesBack",
    "TranslatesLike",
    "Upsamples",
    "in_words",
]
