"""The density of seawater and its derivatives: TEOS-10's 48-term expression, in plain NumPy.

Density is the ratio of two polynomials in Absolute Salinity SA (g/kg), its square root,
Conservative Temperature CT (degrees Celsius) and pressure p (dbar). The form and the coefficients
are published in

    IOC, SCOR and IAPSO (2010): The international thermodynamic equation of seawater - 2010:
    Calculation and use of thermodynamic properties. Intergovernmental Oceanographic Commission,
    Manuals and Guides No. 56, UNESCO. Appendices A.30 and K.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import jitorch as jt
from _support import median_time, show_times

# Polynomials in CT, the constant term first.
TOP = (9.998420897506056e2, 2.839940833161907, -3.147759265588511e-2, 1.181805545074306e-3)
TOP_SA = (-6.698001071123802, -2.986498947203215e-2, 2.327859407479162e-4)
TOP_SA_ROOT = (
    -3.988822378968490e-2,
    5.095422573880500e-4,
    -1.426984671633621e-5,
    1.645039373682922e-7,
)
TOP_P = (-2.233269627352527e-2, -3.436090079851880e-4, 3.726050720345733e-6)
TOP_P_SA = (-1.806789763745328e-4, 6.876837219536232e-7)
TOP_P2 = (-3.087032500374211e-7, -1.988366587925593e-8, -1.061519070296458e-11)
TOP_P2_SA = 1.550932729220080e-10

LOW = (
    1.0,
    2.775927747785646e-3,
    -2.349607444135925e-5,
    1.119513357486743e-6,
    6.743689325042773e-10,
)
LOW_SA = (
    -7.521448093615448e-3,
    -2.764306979894411e-5,
    1.262937315098546e-7,
    9.527875081696435e-10,
    -1.811147201949891e-11,
)
LOW_SA_ROOT = (
    -3.303308871386421e-5,
    3.801564588876298e-7,
    -7.672876869259043e-9,
    -4.634182341116144e-11,
    2.681097235569143e-12,
)
LOW_SA2 = 5.419326551148740e-6
LOW_P = (-2.742185394906099e-5, -3.212746477974189e-7, 3.191413910561627e-9, -1.931012931541776e-12)
LOW_P_SA = (-1.105097577149576e-7, 6.211426728363857e-10)
LOW_P2 = (-1.119011592875110e-10, -1.941660213148725e-11, -1.864826425365600e-14)
LOW_P2_CT_SA = 1.119522344879478e-14
LOW_P3 = (-1.200507748551599e-15, 6.057902487546866e-17)


def poly(x, c):
    """Return c[0] + c[1]*x + c[2]*x*x + ..."""
    out = c[-1]
    for k in reversed(c[:-1]):
        out = out * x + k
    return out


def slope(x, c):
    """Return the derivative of `poly(x, c)`."""
    return poly(x, [i * k for i, k in enumerate(c)][1:])


def density(SA, CT, p):
    """Return the density in kg/m3, and its derivatives with respect to SA and CT."""
    root = np.sqrt(SA)
    top = (
        poly(CT, TOP)
        + SA * (poly(CT, TOP_SA) + root * poly(CT, TOP_SA_ROOT))
        + p * (poly(CT, TOP_P) + SA * poly(CT, TOP_P_SA) + p * (poly(CT, TOP_P2) + SA * TOP_P2_SA))
    )
    low = (
        poly(CT, LOW)
        + SA * (poly(CT, LOW_SA) + SA * LOW_SA2 + root * poly(CT, LOW_SA_ROOT))
        + p * (poly(CT, LOW_P) + SA * poly(CT, LOW_P_SA))
        + p * p * (poly(CT, LOW_P2) + CT * SA * LOW_P2_CT_SA + p * poly(CT, LOW_P3))
    )
    top_SA = (
        poly(CT, TOP_SA)
        + 1.5 * root * poly(CT, TOP_SA_ROOT)
        + p * (poly(CT, TOP_P_SA) + p * TOP_P2_SA)
    )
    low_SA = (
        poly(CT, LOW_SA)
        + 2 * SA * LOW_SA2
        + 1.5 * root * poly(CT, LOW_SA_ROOT)
        + p * (poly(CT, LOW_P_SA) + p * CT * LOW_P2_CT_SA)
    )
    top_CT = (
        slope(CT, TOP)
        + SA * (slope(CT, TOP_SA) + root * slope(CT, TOP_SA_ROOT))
        + p * (slope(CT, TOP_P) + SA * slope(CT, TOP_P_SA) + p * slope(CT, TOP_P2))
    )
    low_CT = (
        slope(CT, LOW)
        + SA * (slope(CT, LOW_SA) + root * slope(CT, LOW_SA_ROOT))
        + p * (slope(CT, LOW_P) + SA * slope(CT, LOW_P_SA))
        + p * p * (slope(CT, LOW_P2) + SA * LOW_P2_CT_SA + p * slope(CT, LOW_P3))
    )
    rho = top / low
    return rho, (top_SA - rho * low_SA) / low, (top_CT - rho * low_CT) / low


compiled = jt.script(density)

# SA, CT, p, and there the density and its derivatives: check values of the GSW toolbox 3.0.
CHECK = (34.718735529718685, 5.1170582706497205, 909.0)
CHECK_VALUES = (1031.4702758148494, 0.7799031333687195, -0.1397765332713424)


def samples(count: int) -> tuple[Any, Any, Any]:
    """Return salinities, temperatures and pressures as they occur in the ocean."""
    rng = np.random.default_rng(0)
    return rng.uniform(30, 38, count), rng.uniform(-1, 30, count), rng.uniform(0, 5000, count)


def main() -> None:
    for found, known in zip(compiled(*(np.array([x]) for x in CHECK)), CHECK_VALUES, strict=True):
        print(f"At the check point: {found[0]:.13g}, published {known:.13g}")
        assert abs(found[0] - known) < 1e-12 * CHECK_VALUES[0]

    args = samples(1_000_000)
    names = ("density", "d/dSA", "d/dCT")
    for name, a, b in zip(names, density(*args), compiled(*args), strict=True):
        gap = np.max(np.abs(a - b) / np.maximum(np.abs(a), 1e-3))
        print(f"{name}: {a.min():.5g} to {a.max():.5g}, relative difference from NumPy {gap:.1e}")
        assert gap < 1e-12

    # The derivatives against differences of the density itself.
    SA, CT, p = (x[:1000] for x in args)
    step = 1e-4
    _, by_SA, by_CT = compiled(SA, CT, p)
    for name, found, moved in (
        ("d/dSA", by_SA, (compiled(SA + step, CT, p)[0] - compiled(SA - step, CT, p)[0])),
        ("d/dCT", by_CT, (compiled(SA, CT + step, p)[0] - compiled(SA, CT - step, p)[0])),
    ):
        error = np.abs(found - moved / (2 * step)).max()
        print(f"{name}: largest difference from a difference quotient {error:.1e}")
        assert error < 1e-7

    print("Median times, 1 million points:")
    times = {
        "NumPy": median_time(lambda: density(*args)),
        "compiled": median_time(lambda: compiled(*args)),
    }
    show_times(times)


if __name__ == "__main__":
    main()
