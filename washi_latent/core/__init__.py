"""The engine: search, similarity, sequences, models. NumPy, SciPy, Pillow and ONNX Runtime; no Blender, no PyTorch at import."""

from __future__ import annotations

from .analysis import Analysis, Direction, KindRegion, along, analyse, named_directions
from .errors import WashiError
from .find import find_latents
from .images import contact_sheet, read_image, write_png
from .kinds import Kind, read_kinds
from .maps import FORMATS, MAPS, MaterialMaps, estimate_height, estimate_opacity, material_maps, normal_from_height, write_map, write_maps
from .models import ModelInfo, TextureModel, find_bundles, install_bundle, list_models, load_model, verify, write_bundle
from .plot import similarity_plot
from .preference import Comparison, Seen
from .progress import Cancelled, Progress
from .representatives import METHODS, Representatives, choose_representatives, coverage
from .search import SEARCH_METHODS, Candidates, Favourite, Node, Search, SearchSettings, SearchState, pack_state, rank_by_picture, unpack_state
from .sequence import PATHS, SPACINGS, SequenceMetrics, TextureSequence, interpolate, slerp
from .sessions import Session, read_session, write_session
from .similarity import log_spectrum_features, mssim, mssim_matrix, ssim_vectors
from .sphere import angle_for_concentration, concentration_for_angle, sample_directions, sample_sphere
from .texture_features import texture_features

__all__ = [
    "FORMATS",
    "MAPS",
    "METHODS",
    "PATHS",
    "SEARCH_METHODS",
    "SPACINGS",
    "Analysis",
    "Cancelled",
    "Candidates",
    "Comparison",
    "Direction",
    "Favourite",
    "Kind",
    "KindRegion",
    "MaterialMaps",
    "ModelInfo",
    "Node",
    "Progress",
    "Representatives",
    "Search",
    "SearchSettings",
    "SearchState",
    "Seen",
    "SequenceMetrics",
    "Session",
    "TextureModel",
    "TextureSequence",
    "WashiError",
    "along",
    "analyse",
    "angle_for_concentration",
    "choose_representatives",
    "concentration_for_angle",
    "contact_sheet",
    "coverage",
    "estimate_height",
    "estimate_opacity",
    "find_bundles",
    "find_latents",
    "install_bundle",
    "interpolate",
    "list_models",
    "load_model",
    "log_spectrum_features",
    "material_maps",
    "mssim",
    "mssim_matrix",
    "named_directions",
    "normal_from_height",
    "pack_state",
    "rank_by_picture",
    "read_image",
    "read_kinds",
    "read_session",
    "sample_directions",
    "sample_sphere",
    "similarity_plot",
    "slerp",
    "ssim_vectors",
    "texture_features",
    "unpack_state",
    "verify",
    "write_bundle",
    "write_map",
    "write_maps",
    "write_png",
    "write_session",
]
