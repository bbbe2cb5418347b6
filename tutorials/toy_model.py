# %% [markdown]
# # The toy model and its exact answers
#
# You have trained a recurrent network. For a long time the loss did not move, and then, within a few hundred updates,
# it fell. What happened inside the network?
#
# The usual guess is a *bifurcation*: the network got a new fixed point, a state in which it can rest. This tutorial
# shows the other answer, a *ghost*, in the smallest model that has one. Everything in it can be computed by hand, so
# every number below is checked.
#
# ## A network with one number
#
# The state is one number x. It follows
#
# $$\dot x = x^2 + r,$$
#
# and r is the only weight (the paper's figure 1). A **fixed point** is a state where $\dot x = 0$, so that x stays.
# For r < 0 there are two of them, $\pm\sqrt{-r}$. For r > 0 there is none.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

import dynaghost as dg
from dynaghost.systems.toy import critical_rate, optimal_r
from dynaghost.training.toy import analytic_landscape, descend_toy, landscape

figure, axes = plt.subplots(
    1, 2, figsize=(9, 3.6), layout="constrained", sharey=True
)
for ax, r in zip(axes, (0.05, -0.25), strict=True):
    system = dg.SaddleNode(r)
    dg.plot.flow(system, dg.find_slow_points(system), window=(-1, 1), ax=ax)
    ax.set_title(f"r = {r}", loc="right")

# %% [markdown]
# Left, there is no fixed point, but the curve comes close to zero at x = 0. There the state moves slowly. Such a place
# is a **ghost**: the speed $|\dot x|$ has a minimum, and that minimum is not zero.
#
# `find_slow_points` finds both kinds, and says what it proved. For the left one:

# %%
points = dg.find_slow_points(dg.SaddleNode(0.05))
ghost = points.ghosts[0]
assert points.complete, "proved: there is no fixed point anywhere"
assert (ghost.x[0], ghost.speed) == (0.0, 0.05)
points

# %% [markdown]
# How long does the state need to get past the ghost? From far left to far right, $\pi/\sqrt r$. This is the **passage
# time**. A start at x = 0 needs half of it, the **escape time** $t^* = \pi/(2\sqrt r)$ (the paper's eq. 7).

# %%
assert math.isclose(
    ghost.passage_time, math.pi / math.sqrt(0.05), rel_tol=1e-12
)
assert math.isclose(dg.SaddleNode(0.05).escape_time, ghost.passage_time / 2)
x, dt, steps = 0.0, 1e-3, 0
while x < 1e3:
    x, steps = x + dt * (x * x + 0.05), steps + 1
simulated = steps * dt
assert abs(simulated - dg.SaddleNode(0.05).escape_time) < 0.01
print(
    f"escape time: {dg.SaddleNode(0.05).escape_time:.3f}, simulated: {simulated:.3f}"
)

# %% [markdown]
# ## A task: wait, then go
#
# The task is *delayed activation*: the output must be 0 until time T, and 1 from T to 2T. The output is
# $\sigma(c\,(x - x^*))$: it is 1 once x has passed the threshold $x^*$, and the **confidence** c says how sharply. So
# the network must stay near 0 for a time T and then run away. A ghost does just that: it is a clock.
#
# With a very sharp output and a far threshold the loss is (eq. 2)
#
# $$L(r) = \left|T - \frac{\pi}{2\sqrt r}\right| \text{ for } r \ge r^*/4, \quad L(r) = T \text{ otherwise},$$
#
# and the best weight is $r^* = \pi^2/(4T^2)$, where the escape time is T.

# %%
T = 100.0
best = optimal_r(T)
assert math.isclose(best, math.pi**2 / (4 * T**2))
assert dg.SaddleNode(best).loss(T) < 1e-9
assert dg.SaddleNode(best / 4 * 0.99).loss(T) == T

r = np.linspace(-2, 8, 400) * best
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(
    r / best, analytic_landscape(r, T), color="black", label="sharp output"
)
for confidence, dash in ((10.0, "--"), (0.1, ":")):
    ax.plot(
        r / best,
        landscape(r, T, confidence),
        dash,
        label=f"confidence {confidence:g}",
    )
ax.axvspan(
    -2, 0.25, color="0.92", label="no-learning zone of the sharp output"
)
ax.set(xlabel="r / r*", ylabel="loss / T", xlim=(-2, 8))
_ = ax.legend()

# %% [markdown]
# Three things can be read from this curve.
#
# 1. Left of $r^*/4$ it is flat. There the gradient is zero: nothing can be learned any more. This is the **no-learning
#    zone**. The network waits too long, and no output within 2T tells it so. With a less confident output (dotted) the
#    curve still has a slope there, too small to be seen in this picture, and training can follow it. The tutorial on
#    [getting unstuck](getting_unstuck.py) uses that.
# 2. At $r^*$ it has a kink: the slope does not get smaller near the minimum. Descent jumps over it, to and fro: an
#    **oscillation**.
# 3. To the right it falls slowly at first and then faster and faster: a **plateau**, then an **abrupt drop**.

# %%
slope = (
    dg.SaddleNode(best * (1 + 1e-9)).loss_gradient(T),
    dg.SaddleNode(best * (1 - 1e-9)).loss_gradient(T),
)
assert np.allclose(
    slope, [2 * T**3 / math.pi**2, -2 * T**3 / math.pi**2], rtol=1e-6
)  # eq. 14
assert dg.SaddleNode(best / 5).loss_gradient(T) == 0.0
inside = np.linspace(-2, 0.25, 10) * best
assert np.ptp(landscape(inside, T, 10.0)) < 1e-12
assert np.all(np.diff(landscape(inside, T, 0.1)) < 0)

# %% [markdown]
# ## Training it
#
# Plain gradient descent from $r = 10\,r^*$, with a small learning rate and with one that is ten times larger.

# %%
found = descend_toy(10 * best, [1e-10, 1e-9], T, 3000)
small, large = found.r / best
figure, axes = plt.subplots(
    2, 1, figsize=(7, 4.6), layout="constrained", sharex=True
)
for name, r_over_best, loss in zip(
    ("rate 1e-10", "rate 1e-9"), (small, large), found.loss, strict=True
):
    axes[0].plot(found.epochs, loss, label=name)
    axes[1].plot(found.epochs, r_over_best)
axes[1].axhline(0, color="black", linewidth=0.8)
axes[0].set(ylabel="loss / T")
axes[1].set(ylabel="r / r*", xlabel="epoch")
_ = axes[0].legend()

# %% [markdown]
# With the small rate the loss falls abruptly around epoch 1500 and then oscillates. And r is above zero all the time:
# **there is no fixed point at any epoch, so there was no bifurcation.** What changed is the ghost: it got slow enough.

# %%
assert found.first_below[0] == 1538
assert found.r[0].min() > 0
assert all(
    not dg.find_slow_points(dg.SaddleNode(r)).fixed_points
    for r in found.r[0, ::300]
)
speeds = [
    dg.find_slow_points(dg.SaddleNode(r)).ghosts[0].speed
    for r in found.r[0, ::300]
]
assert np.all(np.diff(speeds[:5]) < 0)

# %% [markdown]
# With the large rate one jump lands left of $r^*/4$, in the no-learning zone. It never comes back. The border between
# the two is known exactly (eq. 15): $\alpha^* = 3\pi^4/(32\,T^5)$.

# %%
assert found.dead.tolist() == [False, True]
assert math.isclose(critical_rate(T), 3 * math.pi**4 / (32 * T**5))
below, above = critical_rate(T) * np.array([1 - 1e-6, 1 + 1e-6])
assert descend_toy(
    best * (1 + 1e-12), [below, above], T, 100
).dead.tolist() == [
    False,
    True,
]
print(f"critical learning rate for T = {T:g}: {critical_rate(T):.4g}")

# %% [markdown]
# ## What to take with you
#
# - A ghost is a place where a network is slow without resting. It can hold a state for a while: a clock, or a memory
#   that fades.
# - A network can learn abruptly by getting a ghost. No fixed point is born, so a search for bifurcations finds nothing.
# - Near a ghost the loss has a cliff. A step that is too large ends where there is no gradient.
#
# The next tutorial asks how to tell a ghost from a fixed point, which is harder than it looks.
