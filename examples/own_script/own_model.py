"""A model and data of one's own for the built-in loop, which then trains, saves, resumes, reports.

model.factory: own_model:build, with args {"hiddenUnits": 96}; dataset.uri: python://own_model:data
"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn, tensor
from torch.utils.data import TensorDataset


def build(hidden_units: int = 64) -> nn.Module:
    """A classifier of 30 measurements into two classes."""
    return nn.Sequential(nn.Linear(30, hidden_units), nn.ReLU(), nn.Linear(hidden_units, 2))


def data(test_size: float = 0.2) -> tuple[TensorDataset, TensorDataset]:
    """Training and test samples; any two data sets with `__len__` and `__getitem__` will do."""
    samples = load_breast_cancer()
    x = tensor(StandardScaler().fit_transform(samples.data)).float()
    y: Tensor = tensor(samples.target)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=test_size, random_state=0, stratify=y
    )
    return TensorDataset(x_train, y_train), TensorDataset(x_test, y_test)
