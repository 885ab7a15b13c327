import Glibc

/// How a residual between measured shapes is guessed from its neighbours.
public enum Interpolation: Sendable, Hashable {
    /// The formula alone.
    case none
    /// Mean of the nearest, weighted by one over the squared distance.
    case nearest(Int)
    /// Simple kriging on the nearest (Matheron 1963): exponential covariance of this length on log axes, and this share of noise.
    case kriging(length: Double, noise: Double)

    static let candidates: [Interpolation] = [
        .none, .nearest(4), .nearest(10),
        .kriging(length: 0.7, noise: 0), .kriging(length: 0.7, noise: 0.3), .kriging(length: 2.5, noise: 0),
        .kriging(length: 2.5, noise: 0.1), .kriging(length: 8, noise: 0.02),
    ]

    public var name: String {
        switch self {
        case .none: "none"
        case .nearest(let count): "nearest \(count)"
        case .kriging(let length, let noise): "kriging \(length)/\(noise)"
        }
    }
}

/// log(measured / formula) at scattered shapes, interpolated on log axes, and zero outside their hull. The hull is the polytope of all directions
/// with components -1, 0, 1 on the axes (for shapes on axes m, n, k: bounds on each, on every product such as m n k, on every ratio); on one axis
/// it is the exact hull.
struct ResidualTable: Sendable {
    /// [points x axes], natural logarithms times `stretch`.
    private let places: [Double]
    /// [axes] How much distances along an axis count: bytes moved count less than the length of rows where that decides what a byte costs.
    let stretch: [Double]
    private let residuals: [Double]
    private let axes: Int
    private let directions: [[Double]]
    private let bounds: [ClosedRange<Double>]
    let interpolation: Interpolation
    /// Robust standard deviation of what interpolation leaves of a point that is left out, and of the residuals themselves.
    let leftOut: Double
    let spread: Double
    static let neighbours = 12

    /// Chooses the interpolation that predicts left-out points best.
    /// - Parameters:
    ///   - places: [points][axes], natural logarithms; no two alike
    ///   - residuals: [points]
    ///   - stretches: [choices][axes] beside that of all axes alike
    init(places: [[Double]], residuals: [Double], stretches: [[Double]] = []) throws(CalibrationError) {
        axes = places.first?.count ?? 0
        self.residuals = residuals
        directions = Self.directions(axes)
        bounds = directions.map { direction in
            let heights = places.map { Self.dot($0[...], direction) }
            return (heights.min() ?? 0)...(heights.max() ?? 0)
        }
        spread = Self.robustSpread(residuals)
        let trial = LeaveOneOut(places: places, residuals: residuals)
        // The axes first, by two interpolations of different kind; then the interpolation on the axes that suit best.
        let even = [Double](repeating: 1, count: axes)
        var stretch = even
        if !stretches.isEmpty {
            var least = Double.infinity
            for candidate in [even] + stretches {
                let score = try trial.best(of: [.nearest(4), .kriging(length: 2.5, noise: 0)], candidate).score
                if score < least * 0.98 { (stretch, least) = (candidate, score) }
            }
        }
        (interpolation, _, leftOut) = try trial.best(of: Interpolation.candidates, stretch)
        self.stretch = stretch
        self.places = Self.flattened(places, stretch)
    }

    /// What interpolations make of points that are left out.
    private struct LeaveOneOut {
        let places: [[Double]]
        let residuals: [Double]

        func best(
            of candidates: [Interpolation], _ stretch: [Double]
        ) throws(CalibrationError) -> (interpolation: Interpolation, score: Double, leftOut: Double) {
            var best = (interpolation: Interpolation.none, score: Double.infinity, leftOut: 0.0)
            let sample = ResidualTable.sample(residuals.count, of: 400)
            let count = stretch.count
            let flat = ResidualTable.flattened(places, stretch)
            let near = sample.map { ResidualTable.nearest(flat[$0 * count..<($0 + 1) * count], flat, count: count, excluding: $0) }
            for candidate in candidates {
                var errors: [Double] = []
                for (index, near) in zip(sample, near) {
                    errors.append(residuals[index] - (try ResidualTable.guess(candidate, near, flat, residuals, count)))
                }
                let score = ResidualTable.score(errors)
                // Simpler wins where it is as good.
                if score < best.score * 0.99 { best = (candidate, score, ResidualTable.robustSpread(errors)) }
            }
            return best
        }
    }

    private static func flattened(_ places: [[Double]], _ stretch: [Double]) -> [Double] {
        places.flatMap { zip($0, stretch).map { $0 * $1 } }
    }

    /// Median and 90th percentile of |error|, both being what users see.
    private static func score(_ errors: [Double]) -> Double {
        let sorted = errors.map(abs).sorted()
        guard !sorted.isEmpty else { return .infinity }
        return sorted[sorted.count / 2] + 0.3 * sorted[min(sorted.count - 1, sorted.count * 9 / 10)]
    }

    /// The larger of what the median and the 90th percentile of |error| say of a normal distribution.
    static func robustSpread(_ errors: [Double]) -> Double {
        let sorted = errors.map(abs).sorted()
        guard !sorted.isEmpty else { return 0 }
        return max(sorted[sorted.count / 2] / 0.6745, sorted[min(sorted.count - 1, sorted.count * 9 / 10)] / 1.645)
    }

    /// At most `limit` indices, evenly spaced.
    static func sample(_ count: Int, of limit: Int) -> [Int] {
        guard count > limit else { return Array(0..<count) }
        return (0..<limit).map { $0 * count / limit }
    }

    private static func dot(_ a: ArraySlice<Double>, _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    /// All directions with components -1, 0, 1, one of each opposite pair; above four axes the axes and their pairs only.
    private static func directions(_ axes: Int) -> [[Double]] {
        var all: [[Double]] = []
        var number = 1
        let count = (0..<axes).reduce(1) { product, _ in product * 3 }
        while number < count {
            var rest = number
            let direction = (0..<axes).map { _ in
                defer { rest /= 3 }
                return Double(rest % 3 == 2 ? -1 : rest % 3)
            }
            number += 1
            guard direction.first(where: { $0 != 0 }) == 1 else { continue }
            if axes > 4, direction.count(where: { $0 != 0 }) > 2 { continue }
            all.append(direction)
        }
        return all
    }

    /// Whether a place lies in the hull of the points.
    func contains(_ place: [Double]) -> Bool { distance(to: place) < 1e-9 }

    /// How far outside the hull a place lies, on log axes; 0 inside.
    private func distance(to place: [Double]) -> Double {
        guard !residuals.isEmpty else { return .infinity }
        return zip(directions, bounds).reduce(0) { most, face in
            let height = Self.dot(place[...], face.0)
            let length = face.0.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return max(most, (face.1.lowerBound - height) / length, (height - face.1.upperBound) / length)
        }
    }

    /// Residual beside the hull: what interpolation says there, fading to nothing at twice the size; 0 further away.
    /// - Throws: `CalibrationError` where neighbours cannot be solved for.
    func residual(beside place: [Double]) throws(CalibrationError) -> Double {
        let share = 1 - distance(to: place) / 0.7
        guard share > 0 else { return 0 }
        let scaled = Self.flattened([place], stretch)
        let near = Self.nearest(scaled[...], places, count: axes, excluding: nil)
        return share * (try Self.guess(interpolation, near, places, residuals, axes))
    }

    /// Residual at a place; nil outside the hull. `isNode`: it is a measured shape.
    /// - Throws: `CalibrationError` where neighbours cannot be solved for.
    /// - Complexity: O(points).
    func residual(at place: [Double]) throws(CalibrationError) -> (value: Double, isNode: Bool)? {
        guard contains(place) else { return nil }
        let scaled = Self.flattened([place], stretch)
        let near = Self.nearest(scaled[...], places, count: axes, excluding: nil)
        if let first = near.first, first.distance < 1e-9 { return (residuals[first.index], true) }
        return (try Self.guess(interpolation, near, places, residuals, axes), false)
    }

    private struct Neighbour {
        var index: Int
        var distance: Double
    }

    private static func nearest(_ place: ArraySlice<Double>, _ places: [Double], count: Int, excluding: Int?) -> [Neighbour] {
        var best: [Neighbour] = []
        best.reserveCapacity(neighbours + 1)
        let place = Array(place)
        var limit = Double.infinity
        let total = count == 0 ? 0 : places.count / count
        places.withUnsafeBufferPointer { places in
            for index in 0..<total where index != excluding {
                var square = 0.0
                for axis in 0..<count {
                    let difference = places[index * count + axis] - place[axis]
                    square += difference * difference
                }
                guard square < limit else { continue }
                let slot = best.firstIndex { $0.distance > square } ?? best.count
                best.insert(Neighbour(index: index, distance: square), at: slot)
                if best.count > neighbours { best.removeLast() }
                if best.count == neighbours { limit = best[neighbours - 1].distance }
            }
        }
        for index in best.indices { best[index].distance = best[index].distance.squareRoot() }
        return best
    }

    private static func guess(
        _ interpolation: Interpolation, _ near: [Neighbour], _ places: [Double], _ residuals: [Double], _ axes: Int
    ) throws(CalibrationError) -> Double {
        guard !near.isEmpty else { return 0 }
        switch interpolation {
        case .none: return 0
        case .nearest(let count):
            var (sum, total) = (0.0, 0.0)
            for neighbour in near.prefix(count) {
                let weight = 1 / max(1e-12, neighbour.distance * neighbour.distance)
                sum += weight * residuals[neighbour.index]
                total += weight
            }
            return sum / total
        case .kriging(let length, let noise):
            var equations = NormalEquations(size: near.count)
            for (i, a) in near.enumerated() {
                equations.right[i] = exp(-a.distance / length)
                for (j, b) in near.enumerated() {
                    var square = 0.0
                    for axis in 0..<axes {
                        let difference = places[a.index * axes + axis] - places[b.index * axes + axis]
                        square += difference * difference
                    }
                    equations.matrix[i * near.count + j] = i == j ? 1 + noise + 1e-9 : exp(-square.squareRoot() / length)
                }
            }
            let (weights, _) = try equations.solve()
            return zip(weights, near).reduce(0) { $0 + $1.0 * residuals[$1.1.index] }
        }
    }
}
