"""A plain PyTorch script that torchrun starts; one import tells `kubectl get` how far it is."""

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from qm_trainer import progress

EPOCHS, BATCH = 20, 64

dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
rank, world = dist.get_rank(), dist.get_world_size()
device = torch.device("cuda", rank % 8) if torch.cuda.is_available() else torch.device("cpu")

digits = load_digits()
images = torch.tensor(digits.data[rank::world] / 16, dtype=torch.float32, device=device)
labels = torch.tensor(digits.target[rank::world], device=device)
per_epoch = len(digits.target) // world // BATCH

torch.manual_seed(0)
network = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)
model = DistributedDataParallel(network)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)

for epoch in range(EPOCHS):
    for step, batch in enumerate(torch.randperm(len(labels)).split(BATCH)[:per_epoch]):
        loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done = epoch * per_epoch + step + 1
        progress.report(step=done, total_steps=EPOCHS * per_epoch, loss=loss.item(), epoch=epoch)

dist.destroy_process_group()
progress.leave()
