import Foundation
import TestSupport
import Training

/// The trajectories that `Golden/regenerate.py` wrote.
struct GoldenCase: Decodable {
    let method: String
    let problem: String
    let precision: String
    /// Parameters after so many steps.
    let steps: [String: [Double]]

    static func load() throws -> [GoldenCase] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/optimizers.json")
        return try JSONDecoder().decode([GoldenCase].self, from: Data(contentsOf: file))
    }
}

func draws(_ seed: UInt64, _ count: Int) -> [Double] {
    var source = TestDraws(seed: seed)
    return (0..<count).map { _ in source.signed() }
}

/// gradient = curvature (x - target) + noise, as in regenerate.py.
struct Quadratic<Scalar: TrainingScalar> {
    static var rows: Int { 4 }
    static var columns: Int { 6 }
    static var steps: Int { 200 }
    let start: [Scalar]
    let target: [Scalar]
    let curvature: [Scalar]
    let noise: [Scalar]

    init(_ name: String) {
        let n = Self.rows * Self.columns
        start = draws(1, n).map { Scalar($0) }
        target = draws(2, n).map { Scalar($0) }
        if name == "random" {
            curvature = draws(3, n).map { Scalar(1.25 + 0.75 * $0) }
            noise = draws(4, n * Self.steps).map { Scalar(0.1 * $0) }
        } else {
            curvature = (0..<n).map { Scalar(pow(10, -3 + 6 * Double($0) / Double(n - 1))) }
            noise = [Scalar](repeating: 0, count: n * Self.steps)
        }
    }

    func gradient(_ x: [Scalar], _ step: Int) -> [Scalar] {
        x.indices.map { i in
            let pull = curvature[i] * (x[i] - target[i])
            return pull + noise[step * x.count + i]
        }
    }
}
