// What base, memory, their sum and soft kNN say of every place of the plane. `resmem_core.teaching.playground` does the
// same; a test in a browser compares the two.

const TILE = 10; // places a side that are worked on together: they have most of their neighbours in common

// The nearest points of each place, nearest first: `order` and `distance`, so many for each place.
function neighbours({ x, y, side, extent, kMost }) {
  const n = x.length, most = Math.min(kMost, n), step = (2 * extent) / side;
  const order = new Uint16Array(side * side * most), distance = new Float64Array(side * side * most);
  const squares = new Float64Array(n), near = new Uint16Array(n), nearSquares = new Float64Array(n);
  const place = (at) => (at + 0.5) * step - extent;
  const radius = (Math.SQRT2 * (TILE - 1) * step) / 2;
  for (let top = 0; top < side; top += TILE)
    for (let left = 0; left < side; left += TILE) {
      const atX = place(left + (TILE - 1) / 2), atY = place(top + (TILE - 1) / 2);
      for (let i = 0; i < n; i++) squares[i] = (x[i] - atX) ** 2 + (y[i] - atY) ** 2;
      // What is farther than this has `most` nearer ones at every place of the tile.
      const limit = (Math.sqrt(squares.slice().sort()[most - 1]) + 2 * radius + 1e-9) ** 2;
      let candidates = 0;
      for (let i = 0; i < n; i++) if (squares[i] <= limit) near[candidates++] = i;
      for (let row = top; row < top + TILE; row++)
        for (let to = 0; to < TILE; to++) {
          const column = left + ((row - top) % 2 ? TILE - 1 - to : to); // to and fro: the order before is nearly this one
          const hereX = place(column), hereY = place(row);
          for (let c = 0; c < candidates; c++) {
            const i = near[c], square = (x[i] - hereX) ** 2 + (y[i] - hereY) ** 2;
            let at = c;
            for (; at > 0 && nearSquares[at - 1] > square; at--) {
              nearSquares[at] = nearSquares[at - 1];
              near[at] = near[at - 1];
            }
            nearSquares[at] = square;
            near[at] = i;
          }
          const from = (row * side + column) * most;
          for (let j = 0; j < most; j++) {
            order[from + j] = near[j];
            distance[from + j] = Math.sqrt(nearSquares[j]);
          }
        }
    }
  return { order, distance, most };
}

const sure = (logit, temperature) => 1 / (1 + Math.exp(-logit / temperature));

// exp(-u) for u from 0 to FARTHEST, from a table, between whose values a straight line is off by 3e-7 of it at most: more
// than twice as quick. What weighs less changes nothing that is seen or compared.
const FARTHEST = 23, FINE = 700;
const EXP = Float64Array.from({ length: FARTHEST * FINE + 2 }, (_, at) => Math.exp(-at / FINE));

// Weights fall by this factor for each unit of distance; of two at no distance from each other both are 1.
const steepness = (sigma) => Math.min(1 / sigma, Number.MAX_VALUE);

// What is left of the labels at the points in memory.
const leftOver = ({ label, logit }, temperature) => Float64Array.from(label, (one, i) => one - sure(logit[i], temperature));

// Surfaces of the probability of class 1, of what memory adds to it, of the sum, and of soft kNN's vote.
function surfaces(scene, { k, sigma, temperature }) {
  const { surface, label } = scene;
  scene.near ??= scene.order
    ? { order: scene.order, distance: scene.distance, most: Math.min(scene.kMost, label.length) }
    : neighbours(scene);
  const { order, distance, most } = scene.near;
  const voting = Math.min(k, most), steep = Math.min(FINE * steepness(sigma), Number.MAX_VALUE), end = FARTHEST * FINE;
  const left = leftOver(scene, temperature);
  const [base, memory, resmem, knn] = Array.from({ length: 4 }, () => new Float32Array(surface.length));
  for (let place = 0; place < surface.length; place++) {
    const from = place * most, nearest = distance[from];
    let weights = 0, residual = 0, ones = 0;
    for (let at = from; at < from + voting; at++) {
      const u = (distance[at] - nearest) * steep;
      if (u > end) break; // as are all that are farther
      const whole = u | 0, weight = EXP[whole] + (u - whole) * (EXP[whole + 1] - EXP[whole]);
      weights += weight;
      residual += weight * left[order[at]];
      ones += weight * label[order[at]];
    }
    base[place] = sure(surface[place], temperature);
    memory[place] = residual / weights;
    resmem[place] = sure(surface[place], temperature) + residual / weights;
    knn[place] = ones / weights;
  }
  return { base, memory, resmem, knn };
}

// Who votes at one place, of its nearest points: rows, weights and what each adds.
function votes(scene, { ids, distances }, { k, sigma, temperature }) {
  const left = leftOver(scene, temperature), steep = steepness(sigma);
  const raw = distances.slice(0, k).map((distance) => Math.exp((distances[0] - distance) * steep));
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  return raw.map((weight, at) => ({ id: ids[at], weight: weight / total, adds: (weight / total) * left[ids[at]] }));
}

// Where a surface crosses a level, cell by cell (marching squares): x0, y0, x1, y1 of each piece, in steps of the grid.
// Where a cell is crossed twice, its centre, the mean of the corners, decides which corners belong together.
function levelLines(z, side, level) {
  const pieces = [];
  for (let row = 0; row < side - 1; row++)
    for (let column = 0; column < side - 1; column++) {
      const at = row * side + column;
      const a = z[at], b = z[at + 1], c = z[at + side + 1], d = z[at + side]; // around the cell
      const kind = (a >= level) | ((b >= level) << 1) | ((c >= level) << 2) | ((d >= level) << 3);
      if (kind === 0 || kind === 15) continue;
      const between = (from, to) => (level - from) / (to - from);
      const ends = [];
      if ((kind & 1) !== ((kind >> 1) & 1)) ends.push([column + between(a, b), row]);
      if (((kind >> 1) & 1) !== ((kind >> 2) & 1)) ends.push([column + 1, row + between(b, c)]);
      if (((kind >> 2) & 1) !== ((kind >> 3) & 1)) ends.push([column + 1 - between(c, d), row + 1]);
      if (((kind >> 3) & 1) !== (kind & 1)) ends.push([column, row + 1 - between(d, a)]);
      if (ends.length === 4 && (a + b + c + d) / 4 >= level !== a >= level) ends.unshift(ends.pop());
      for (let end = 0; end < ends.length; end += 2) pieces.push(...ends[end], ...ends[end + 1]);
    }
  return pieces;
}
