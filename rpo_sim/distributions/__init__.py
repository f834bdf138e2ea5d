"""Distributions of durations: assumed, fitted, and as measured."""

from rpo_sim.distributions.assumed import Fixed, Rate, Shifted, Triangular, Uniform
from rpo_sim.distributions.base import Distribution, FloatArray, sample
from rpo_sim.distributions.empirical import Empirical
from rpo_sim.distributions.parametric import Exponential, Gamma, LogLogistic, LogNormal, Parametric, Weibull
from rpo_sim.distributions.piecewise import Piecewise
from rpo_sim.distributions.posterior import JeffreysPosterior, NormalPosterior
from rpo_sim.distributions.registry import distribution_from_dict, to_dict
from rpo_sim.distributions.sized import SizeScaled

__all__ = [
    "Distribution",
    "Empirical",
    "Exponential",
    "Fixed",
    "FloatArray",
    "Gamma",
    "JeffreysPosterior",
    "LogLogistic",
    "LogNormal",
    "NormalPosterior",
    "Parametric",
    "Piecewise",
    "Rate",
    "Shifted",
    "SizeScaled",
    "Triangular",
    "Uniform",
    "Weibull",
    "distribution_from_dict",
    "sample",
    "to_dict",
]
