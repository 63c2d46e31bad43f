"""How good samples are: pure functions of features or pixels, and the networks that extract.

The functions need NumPy and SciPy alone; TensorFlow is imported with an extractor.
"""

from ganzoo.metrics.frechet import Moments as Moments
from ganzoo.metrics.frechet import frechet_distance as frechet_distance
from ganzoo.metrics.inception_score import inception_score as inception_score
from ganzoo.metrics.kernel import kernel_distance as kernel_distance
from ganzoo.metrics.manifold import density_coverage as density_coverage
from ganzoo.metrics.manifold import precision_recall as precision_recall
from ganzoo.metrics.modes import count_modes as count_modes
from ganzoo.metrics.neighbours import duplicate_rate as duplicate_rate
from ganzoo.metrics.neighbours import nearest_neighbours as nearest_neighbours
from ganzoo.metrics.parzen import parzen_log_likelihood as parzen_log_likelihood
from ganzoo.metrics.path import path_length as path_length
from ganzoo.metrics.path import squared_feature_distance as squared_feature_distance
from ganzoo.metrics.probe import linear_probe as linear_probe
from ganzoo.metrics.similarity import multi_scale_ssim as multi_scale_ssim
from ganzoo.metrics.similarity import peak_signal_to_noise as peak_signal_to_noise
from ganzoo.metrics.translation import cycle_psnr as cycle_psnr
from ganzoo.metrics.translation import fcn_score as fcn_score
from ganzoo.metrics.translation import identity_error as identity_error
from ganzoo.metrics.wasserstein import sliced_wasserstein as sliced_wasserstein
