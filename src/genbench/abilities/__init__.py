"""What methods can be asked for: small protocols, so that whoever needs an ability asks for it, never for a class."""

from genbench.abilities.animating import Animates, FindsKeypoints
from genbench.abilities.completing import FillsIn, FillsInByHints, Upsamples
from genbench.abilities.denoising import ClassifiesNoisy, Denoises, DrawsLed, EmbedsNoisy
from genbench.abilities.drawing import (
    AttendsToWords,
    Draws,
    DrawsAlone,
    DrawsLarger,
    DrawsPartly,
    Generative,
    HasLatents,
    HasStyles,
    HasStyleSpace,
    PerceivesStyled,
    TranslatesBack,
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
    LeadsStyles,
    SeesPlaces,
)
from genbench.abilities.encoding import Autoencodes, Codes
from genbench.abilities.likelihood import HasCodeLikelihood, HasLikelihood

__all__ = [
    "Animates",
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
    "DrawsLed",
    "DrawsPartly",
    "EmbedsImages",
    "EmbedsNoisy",
    "EmbedsTexts",
    "EmbedsTokens",
    "EncodesTexts",
    "FillsIn",
    "FillsInByHints",
    "FindsKeypoints",
    "FollowsTexts",
    "Generative",
    "HasCodeLikelihood",
    "HasLatents",
    "HasLikelihood",
    "HasStyleSpace",
    "HasStyles",
    "LeadsEmbeddings",
    "LeadsStyles",
    "PerceivesStyled",
    "SeesPlaces",
    "TranslatesBack",
    "Upsamples",
    "in_words",
]
