# %% [markdown]
# # Slow points of a flow, and why a numerical finder cannot tell a ghost from a fixed point
#
# A common way to look into a trained network is to search for its fixed points with an optimizer: start at some states,
# go downhill on the *kinetic energy* $q(x) = \frac12 |f(x)|^2$, and keep the end points where q is small enough. This
# tutorial shows where that goes wrong, and what a proof does instead.
#
# ## A network of rank one is a curve
#
# Take a network of rank one, $x \leftarrow x + \text{leak}\,(-x + \tanh(m\,(n \cdot x) + b))$. All that matters is one
# number, $\kappa = n \cdot x$, and it follows (the paper's eq. 4)
#
# $$\dot\kappa = f(\kappa) = -\kappa + \sum_i n_i \tanh(m_i \kappa + b_i).$$
#
# This is the network's **latent circuit**. With a single unit, n = 1 and m = 1.5, we can see everything. The bias b
# moves the curve up and down.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import dynaghost as dg


def circuit(b):
    """The latent circuit of one unit with m = 1.5, n = 1 and bias b."""
    return dg.RankOneRNN([1.5], [1.0], [b], leak=0.5).latent()


figure, axes = plt.subplots(
    1, 2, figsize=(9, 3.8), layout="constrained", sharey=True
)
for ax, b in zip(axes, (0.1, 0.3), strict=True):
    dg.plot.flow(
        circuit(b), dg.find_slow_points(circuit(b)), window=(-1.6, 1.6), ax=ax
    )
    ax.set_title(f"b = {b}", loc="right")

# %% [markdown]
# Left: three fixed points, and the state rests at the left or at the right one. Right: one fixed point. The left pair
# met and vanished, which is a **saddle-node bifurcation**, and a **ghost** is left where they met. A state that starts
# at the left lingers there, and then goes on to the right.
#
# Where exactly do they meet? Where the curve touches zero: f = 0 and f' = 0 at once. One unit is simple enough to
# solve.

# %%
# f' = 0 where tanh² = 1 − 1/1.5; there f = 0 says κ = tanh(1.5 κ + b), and that gives b.
kappa_fold = -float(np.sqrt(1 - 1 / 1.5))
fold = float(np.arctanh(kappa_fold) - 1.5 * kappa_fold)
assert abs(-kappa_fold + np.tanh(1.5 * kappa_fold + fold)) < 1e-15
print(f"fold at b = {fold:.12f}, κ = {kappa_fold:.6f}")

# %% [markdown]
# ## The usual finder
#
# Now put b a hair's breadth on either side of the fold, and search as usual: minimize q, and call the end point a fixed
# point if q is below a tolerance of 1e-12.

# %%
TOLERANCE = 1e-12


def usual_finder(system, start):
    """Minimize q from a start."""
    sharp = {"xatol": 1e-10, "fatol": 1e-30}
    found = minimize(
        lambda x: float(system.kinetic_energy(x)),
        [start],
        method="Nelder-Mead",
        options=sharp,
    )
    return found.x[0], found.fun


for distance in (-1e-8, +1e-8):
    place, q = usual_finder(circuit(fold + distance), -0.9)
    print(
        f"b = fold {distance:+.0e}: stops at κ = {place:.6f} with q = {q:.1e}"
    )
    assert q < TOLERANCE

# %% [markdown]
# Both pass. On one side there are two fixed points there, on the other there is none: the network with b above the fold
# has only a ghost. **The finder's answer is the same.**
#
# A smaller tolerance only moves the problem. The ghost's speed is about the distance to the fold, so for any
# tolerance there are ghosts that pass. And a tolerance that is too small throws real fixed points away, since float64
# cannot evaluate f to zero.
#
# ## What is proved instead
#
# `find_slow_points` decides with error bounds. Where float64 is not enough, it computes in ball arithmetic, which
# carries a rigorous bound along with every number.

# %%
below = dg.find_slow_points(circuit(fold - 1e-8))
above = dg.find_slow_points(circuit(fold + 1e-8))
assert (len(below.fixed_points), len(below.ghosts), below.complete) == (
    3,
    0,
    True,
)
assert (len(above.fixed_points), len(above.ghosts), above.complete) == (
    1,
    1,
    True,
)
ghost = above.ghosts[0]
print(
    f"ghost at κ = {ghost.x[0]:.6f}, speed {ghost.speed:.3e}: no fixed point within {ghost.radius:.1e} of it"
)

# %% [markdown]
# Two things are proved here, and each has a name.
#
# - The **certificate** of a point. `exists_unique`: a fixed point lies within `radius`, and it is alone within
#   `unique_radius`. `root_free`: no fixed point lies within `radius` of the ghost. `undecided`: that could not be
#   proved, and the record says which bound was not met.
# - **complete**: the listed fixed points are all there are. In one dimension this holds on the whole line.

# %%
assert [point.certificate.value for point in below.fixed_points] == [
    "exists_unique"
] * 3
assert ghost.certificate == "root_free"
for distance in 10.0 ** np.arange(-2, -13, -2):
    assert len(dg.find_slow_points(circuit(fold - distance)).fixed_points) == 3
    assert len(dg.find_slow_points(circuit(fold + distance)).fixed_points) == 1

# %% [markdown]
# The last loop went down to a distance of 1e-12 on either side.
#
# ## Why the difference matters
#
# A state that comes to a stable fixed point stays forever. A state that comes to a ghost leaves. It only takes long:
# the passage time grows as one over the square root of the speed. Here it is, beside a simulation.

# %%
distances = np.logspace(-1.5, -6, 10)
ghosts = [
    dg.find_slow_points(circuit(fold + distance)).ghosts[0]
    for distance in distances
]
speed, passage = (
    np.array([getattr(g, name) for g in ghosts])
    for name in ("speed", "passage_time")
)


def dwell(b, width=0.4, dt=0.01):
    """Time in which the flow crosses a window around the fold, by small steps."""
    kappa, steps = kappa_fold - width, 0
    while kappa < kappa_fold + width:
        kappa, steps = (
            kappa + dt * (-kappa + np.tanh(1.5 * kappa + b)),
            steps + 1,
        )
    return steps * dt


simulated = np.array([dwell(fold + distance) for distance in distances[:7]])
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.loglog(
    speed, passage, "D-", color="#009E73", label="passage time of the ghost"
)
ax.loglog(
    speed[:7],
    simulated,
    "x",
    color="black",
    label="simulated, in a window of ±0.4",
)
ax.set(xlabel="speed of the ghost", ylabel="time (τ)")
_ = ax.legend()
slope = np.polyfit(np.log(speed[4:]), np.log(passage[4:]), 1)[0]
assert abs(slope + 0.5) < 0.005
missing = passage[:7] - simulated
print(
    f"slope {slope:.4f}; the window misses {missing.min():.1f} to {missing.max():.1f} τ"
)
assert np.all((missing[3:] > 4) & (missing[3:] < 7))

# %% [markdown]
# The passage time is that of the whole way from far left to far right, so the window misses a constant part of it.
#
# ## Ghosts are complex fixed points
#
# Where do fixed points go when they vanish? They become complex. Past the fold, $f(\kappa) = 0$ has two solutions
# $z, \bar z$ with a small imaginary part. The ghost is what is seen of them on the real axis, and this **complex pair**
# also gives the passage time (its formula is on the page on [mathematics](mathematics.md)).

# %%
pair = ghost.complex_point[0]
residual = -pair + np.tanh(1.5 * pair + fold + 1e-8)
assert abs(residual) < 1e-14
assert abs(pair.real - kappa_fold) < 1e-4
print(f"κ = {pair.real:.6f} ± {abs(pair.imag):.6f} i")

# %% [markdown]
# ## What to take with you
#
# - "The optimizer stopped and q is tiny" does not tell a fixed point from a ghost. A certificate does.
# - A fixed point is a memory that lasts. A ghost is one that fades after its passage time.
# - Along training the difference is that of a bifurcation and none. The next tutorial looks at whole runs.
