/* What solvers/kernels/batch_rows.py is measured against: the same filter of cells, written in C.

   Reads n, N (int64), then items (N x n) and targets (N) as float64 from standard input. Writes the chosen
   subset of each row as a mask (uint64) to standard output, and the best seconds of five runs to standard error.
   Rows that the filter does not thin out get the mask ~0. Compile with: cc -O3 -march=native nearest_rows.c -lm */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SUMS = 1 << 16, LARGEST_TABLE = 1 << 20, FEW_PAIRS = 1 << 13, FAR = 0x7fffffff };
static int32_t left[MOST_SUMS], right[MOST_SUMS], left_places[MOST_SUMS], right_places[MOST_SUMS];
static int32_t left_some[MOST_SUMS], right_some[MOST_SUMS], leasts[MOST_SUMS];
static uint8_t table[LARGEST_TABLE + 1];

static int subset_sums(const int32_t *items, int count, int sign, int32_t start, int32_t *restrict sums) {
  int size = 1;
  sums[0] = start;
  for (int j = 0; j < count; j++, size *= 2) {
    int32_t item = sign * items[j];
    for (int k = 0; k < size; k++) sums[size + k] = sums[k] + item;
  }
  return size;
}

static int bits_for(int64_t cells) {
  int bits = 6;
  while ((1 << bits) < cells && (1 << bits) < LARGEST_TABLE) bits++;
  return bits;
}

static void mark_all(const int32_t *numbers, int count, int64_t reach, int shift, int bits) {
  uint32_t mask = (1u << bits) - 1;
  memset(table, 0, mask + 2);
  for (int i = 0; i < count; i++) {
    uint32_t place = (uint32_t)((numbers[i] - reach) >> shift) & mask;
    table[place] = 1;
    table[place + 1] = 1;
  }
  table[0] |= table[mask + 1];
}

static int look_all_up(const int32_t *numbers, int count, int shift, int bits, int32_t *restrict hits) {
  uint32_t mask = (1u << bits) - 1;
  int found = 0;
  for (int i = 0; i < count; i++) {
    hits[found] = i;
    found += table[(uint32_t)(numbers[i] >> shift) & mask];
  }
  return found;
}

static uint32_t folded(int64_t cell, uint32_t mask) { return (uint32_t)(cell ^ (cell >> 12)) & mask; }

static void mark_hits(const int32_t *numbers, const int32_t *hits, int count, int64_t reach, int shift, int bits) {
  uint32_t mask = (1u << bits) - 1;
  memset(table, 0, mask + 1);
  for (int i = 0; i < count; i++) {
    int64_t cell = (numbers[hits[i]] - reach) >> shift;
    table[folded(cell, mask)] = 1;
    table[folded(cell + 1, mask)] = 1;
  }
}

static int look_back(const int32_t *numbers, int count, int shift, int bits, int32_t *restrict hits) {
  uint32_t mask = (1u << bits) - 1;
  int found = 0;
  for (int i = 0; i < count; i++) {
    hits[found] = i;
    found += table[folded(numbers[i] >> shift, mask)];
  }
  return found;
}

static void mark(const int32_t *numbers, const int32_t *some, int count, int64_t reach, int shift, int bits,
                 int64_t scatter) {
  uint32_t mask = (1u << bits) - 1;
  memset(table, 0, mask + 1);
  for (int i = 0; i < count; i++) {
    int64_t cell = (numbers[some[i]] - reach) >> shift;
    table[(uint32_t)((cell * scatter) >> (32 - bits)) & mask] = 1;
    table[(uint32_t)(((cell + 1) * scatter) >> (32 - bits)) & mask] = 1;
  }
}

static int look_up(const int32_t *numbers, int32_t *some, int count, int shift, int bits, int64_t scatter) {
  uint32_t mask = (1u << bits) - 1;
  int found = 0;
  for (int i = 0; i < count; i++) {
    int32_t place = some[i];
    some[found] = place;
    found += table[(uint32_t)(((numbers[place] >> shift) * scatter) >> (32 - bits)) & mask];
  }
  return found;
}

static int filtered(int lefts, int rights, int64_t reach, int *found_left, int *found_right) {
  int64_t nl = lefts, nr = rights;
  if (nl * nr <= FEW_PAIRS) {
    for (int i = 0; i < lefts; i++) left_places[i] = i;
    for (int j = 0; j < rights; j++) right_places[j] = j;
  } else {
    int shift = 1;
    while ((1LL << shift) <= 2 * reach) shift++;
    if (shift > 28) return 0;
    int bits = bits_for(32LL * lefts);
    mark_all(left, lefts, reach, shift, bits);
    nr = look_all_up(right, rights, shift, bits, right_places);
    bits = bits_for(128 * nr);
    mark_hits(right, right_places, nr, reach, shift, bits);
    nl = look_back(left, lefts, shift, bits, left_places);
    for (int64_t turn = 0; turn < 4 && nl * nr > FEW_PAIRS; turn++) {
      int64_t pairs = nl * nr, scatter = 0x9E3779B1LL ^ (turn << 20);
      bits = bits_for(32 * nl);
      mark(left, left_places, nl, reach, shift, bits, scatter);
      nr = look_up(right, right_places, nr, shift, bits, scatter);
      if (nl * nr <= FEW_PAIRS) break;
      bits = bits_for(32 * nr);
      mark(right, right_places, nr, reach, shift, bits, scatter);
      nl = look_up(left, left_places, nl, shift, bits, scatter);
      if (nl * nr > pairs / 2) break;
    }
    if (nl * nr > FEW_PAIRS && nl * nr > 128LL * (lefts + rights)) return 0;
  }
  *found_left = nl;
  *found_right = nr;
  return 1;
}

static int32_t nearest_of(int32_t number, const int32_t *others, int count) {
  int32_t least = FAR;
  for (int j = 0; j < count; j++) {
    int32_t distance = abs(number - others[j]);
    least = distance < least ? distance : least;
  }
  return least;
}

static uint64_t nearest(const double *items, int m, double target) {
  double values[33], total = 0;
  __int128 exact[33];
  int32_t images[33];
  for (int k = 0; k <= m; k++) total += fabs(values[k] = k < m ? items[k] : target);
  int top;
  frexp(total, &top);
  double to_grid = ldexp(1.0, 60 - top), scale = total > 0 ? 2147483584.0 / (total * to_grid) : 0;
  for (int k = 0; k <= m; k++) {
    double value = values[k] * to_grid;
    int64_t whole = (int64_t)value;
    double rest = (value - (double)whole) * 72057594037927936.0;
    int64_t fine = (int64_t)rest;
    if ((double)fine != rest) return ~0ULL;
    exact[k] = ((__int128)whole << 56) + fine;
    images[k] = (int32_t)rint(value * scale);
  }
  double mean = 0, squares = 0;
  for (int k = 0; k < m; k++) mean += images[k], squares += (double)images[k] * images[k];
  double spread = 0.5 * sqrt(squares) + 1, offset = (images[m] - 0.5 * mean) / spread;
  int64_t slack = m / 2 + 2, widest = 1 << 27, reach = widest;
  if (0.5 * offset * offset <= 40) {
    double density = ldexp(1.0, m) / (spread * sqrt(2 * 3.141592653589793)) * exp(-0.5 * offset * offset);
    reach = 2 * slack + 1 + (int64_t)fmin(4 / density, (double)widest);
  }
  int middle = m / 2, nl, nr, least;
  int lefts = subset_sums(images, middle, -1, images[m], left);
  int rights = subset_sums(images + middle, m - middle, 1, 0, right);
  for (;;) {
    if (!filtered(lefts, rights, reach, &nl, &nr)) return ~0ULL;
    for (int i = 0; i < nl; i++) left_some[i] = left[left_places[i]];
    for (int j = 0; j < nr; j++) right_some[j] = right[right_places[j]];
    least = FAR;
    for (int i = 0; i < nl; i++) {
      leasts[i] = nearest_of(left_some[i], right_some, nr);
      if (leasts[i] < least) least = leasts[i];
    }
    if (least + 2 * slack <= reach || (int64_t)lefts * rights <= FEW_PAIRS) break;
    reach = least + 2 * slack < 16 * reach ? least + 2 * slack : 16 * reach;
  }
  int64_t window = least + 2 * slack;
  uint64_t best_mask = ~0ULL;
  __int128 best = 0;
  for (int i = 0; i < nl; i++) {
    if (leasts[i] > window) continue;
    for (int j = 0; j < nr; j++) {
      if (llabs((int64_t)left_some[i] - right_some[j]) > window) continue;
      uint64_t mask = left_places[i] | (uint64_t)right_places[j] << middle;
      __int128 error = -exact[m];
      for (int k = 0; k < m; k++) error += exact[k] & -(__int128)(mask >> k & 1);
      if (error < 0) error = -error;
      if (best_mask == ~0ULL || error < best || (error == best && mask < best_mask)) best = error, best_mask = mask;
    }
  }
  return best_mask;
}

int main(void) {
  int64_t shape[2];
  if (fread(shape, 8, 2, stdin) != 2) return 1;
  int64_t n = shape[0], rows = shape[1];
  double *items = malloc(8 * n * rows), *targets = malloc(8 * rows), best = INFINITY;
  uint64_t *masks = malloc(8 * rows);
  if (fread(items, 8, n * rows, stdin) != (size_t)(n * rows)) return 1;
  if (fread(targets, 8, rows, stdin) != (size_t)rows) return 1;
  for (int run = 0; run < 5; run++) {
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (int64_t row = 0; row < rows; row++) masks[row] = nearest(items + n * row, n, targets[row]);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    best = fmin(best, (to.tv_sec - from.tv_sec) + 1e-9 * (to.tv_nsec - from.tv_nsec));
  }
  fwrite(masks, 8, rows, stdout);
  fprintf(stderr, "%.9g\n", best);
  return 0;
}
