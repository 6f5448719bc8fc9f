// Blocked Cholesky factorisation, A = L * L^T, of a matrix of real numbers. The loops are those of the textbook and say
// nothing of parallelism: who may work at the same time follows from who takes whose block.

#include <dally/dally.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

constexpr std::size_t blocks = 8, edge = 48;  // A is blocks by blocks, each edge by edge numbers

struct block {
  std::vector<double> numbers = std::vector<double>(edge * edge);
  double& operator()(std::size_t row, std::size_t column) { return numbers[row * edge + column]; }
  double operator()(std::size_t row, std::size_t column) const { return numbers[row * edge + column]; }
};

/// A symmetric, positive definite matrix.
double element(std::size_t row, std::size_t column) {
  return row == column ? 2 : 1 / (1 + std::abs(static_cast<double>(row) - static_cast<double>(column)));
}

block part_of_a(std::size_t i, std::size_t j) {
  block a;
  for (std::size_t r = 0; r < edge; ++r) {
    for (std::size_t c = 0; c < edge; ++c) a(r, c) = element(i * edge + r, j * edge + c);
  }
  return a;
}

// A block that a task changes is taken by value: it is moved in where nobody else needs it any more.

/// The Cholesky factor of a diagonal block.
block potrf(block a) {
  for (std::size_t c = 0; c < edge; ++c) {
    for (std::size_t k = 0; k < c; ++k) {
      for (std::size_t r = c; r < edge; ++r) a(r, c) -= a(r, k) * a(c, k);
    }
    if (!(a(c, c) > 0)) throw std::domain_error{"the matrix is not positive definite"};
    double const root = std::sqrt(a(c, c));
    for (std::size_t r = 0; r < edge; ++r) a(r, c) = r < c ? 0 : a(r, c) / root;
  }
  return a;
}

/// The x of x * l^T = a.
block trsm(block a, block const& l) {
  for (std::size_t r = 0; r < edge; ++r) {
    for (std::size_t c = 0; c < edge; ++c) {
      for (std::size_t k = 0; k < c; ++k) a(r, c) -= a(r, k) * l(c, k);
      a(r, c) /= l(c, c);
    }
  }
  return a;
}

/// a - x * y^T
block gemm(block a, block const& x, block const& y) {
  for (std::size_t r = 0; r < edge; ++r) {
    for (std::size_t c = 0; c < edge; ++c) {
      for (std::size_t k = 0; k < edge; ++k) a(r, c) -= x(r, k) * y(c, k);
    }
  }
  return a;
}

/// a - x * x^T
block syrk(block a, block const& x) { return gemm(std::move(a), x, x); }

using grid = std::vector<std::vector<dally::lazy<block>>>;  // the lower triangle: row i has i + 1 blocks

grid cholesky(grid a) {
  for (std::size_t k = 0; k < a.size(); ++k) {
    a[k][k] = dally::delayed(potrf)(a[k][k]);
    for (std::size_t i = k + 1; i < a.size(); ++i) a[i][k] = dally::delayed(trsm)(a[i][k], a[k][k]);
    for (std::size_t i = k + 1; i < a.size(); ++i) {
      for (std::size_t j = k + 1; j < i; ++j) a[i][j] = dally::delayed(gemm)(a[i][j], a[i][k], a[j][k]);
      a[i][i] = dally::delayed(syrk)(a[i][i], a[i][k]);
    }
  }
  return a;
}

/// The largest element of A - L * L^T, by the definition of a product.
double residual(std::vector<std::vector<block>> const& factor) {
  auto l = [&](std::size_t r, std::size_t c) { return factor[r / edge][c / edge](r % edge, c % edge); };
  double largest = 0;
  for (std::size_t r = 0; r < blocks * edge; ++r) {
    for (std::size_t c = 0; c <= r; ++c) {
      double rest = element(r, c);
      for (std::size_t k = 0; k <= c; ++k) rest -= l(r, k) * l(c, k);
      largest = std::max(largest, std::abs(rest));
    }
  }
  return largest;
}

int main() {
  grid a(blocks);
  for (std::size_t i = 0; i < blocks; ++i) {
    for (std::size_t j = 0; j <= i; ++j) a[i].push_back(dally::delayed(part_of_a)(i, j));
  }
  auto factorise = dally::prepare(cholesky(a));
  auto error = residual(factorise(dally::threads{4}));
  fmt::print("{} tasks, residual {}\n", factorise.planned().size(), error < 1e-10 ? "< 1e-10" : "too large");
}

// Output:
//   156 tasks, residual < 1e-10
