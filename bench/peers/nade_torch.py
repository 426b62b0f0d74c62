"""Peer: NADE 784-500-784 in eager PyTorch, with running sums of all entries at once, [batch, pixels, hidden], as autograd needs them."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import serve

BATCH, PIXELS, HIDDEN = 100, 784, 500


class NADE(nn.Module):
    def __init__(self):
        super().__init__()
        self.inward = nn.Parameter(torch.empty(PIXELS, HIDDEN))
        self.outward = nn.Parameter(torch.empty(PIXELS, HIDDEN))
        self.hidden_bias = nn.Parameter(torch.zeros(HIDDEN))
        self.bias = nn.Parameter(torch.zeros(PIXELS))
        nn.init.xavier_uniform_(self.inward)
        nn.init.xavier_uniform_(self.outward)

    def forward(self, x):
        terms = x.unsqueeze(-1) * self.inward
        hidden = torch.sigmoid(self.hidden_bias + terms.cumsum(1) - terms)
        logits = (hidden * self.outward).sum(-1) + self.bias
        return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


serve(lambda data: (NADE(), data.reshape(-1, BATCH, PIXELS)))
