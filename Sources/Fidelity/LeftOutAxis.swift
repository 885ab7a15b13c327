import Calibration

/// What rows have in common that are left out of a fit together, so that each is predicted as a user's job would be who has the like for the first time.
public enum LeftOutAxis: String, Sendable, CaseIterable {
    /// One stack's rows of one width and number of experts: a new model.
    case size
    /// The card, and all cards of its silicon.
    case hardware, chip
    case stack
    /// The file that the rows were collected in.
    case source

    /// What it is called in a report.
    public var title: String {
        switch self {
        case .size: "model size left out"
        case .hardware: "hardware left out"
        case .chip: "chip left out"
        case .stack: "stack left out"
        case .source: "source left out"
        }
    }

    func group(_ run: PreparedRun) -> String {
        switch self {
        case .size: CrossValidation.group(run)
        case .hardware: run.plan.job.cluster.accelerator.name
        case .chip: run.plan.job.cluster.accelerator.chip
        case .stack: run.plan.behaviour.stack
        case .source: run.run.file
        }
    }
}

/// One fit to all rows, from which the fit without any group of them follows by algebra: for the weighted least squares of one Gauss-Newton step,
/// leaving out the rows J_k turns the inverse S of the normal matrix into S + S J_k' (W_k^-1 - J_k S J_k')^-1 J_k S (Woodbury), so that no group
/// needs a fit of its own.
struct LeaveOut {
    let fit: ProfileFit
    let values: [Double]
    private let rows: [ProfileFit.Row]
    private let weights: [Double]
    /// [parameters x parameters] inverse of the normal matrix, and its right-hand side, [parameters].
    private let inverse: [Double]
    private let right: [Double]

    init(fit: ProfileFit, at values: [Double], rows: [ProfileFit.Row]) throws(CalibrationError) {
        self.fit = fit
        self.values = values
        self.rows = rows
        weights = rows.indices.map { fit.weight(of: $0, residual: rows[$0].residual) }
        var equations = NormalEquations(size: values.count)
        for (index, row) in rows.enumerated() { equations.add(row: row.gradient, residual: row.residual, weight: weights[index]) }
        for (index, parameter) in fit.parameters.enumerated() {
            equations.addPrior(index: index, sigma: parameter.sigma, distance: values[index])
        }
        right = equations.right
        inverse = try equations.solveWithInverse().inverse
    }

    /// The fit without `members`: values and standard deviations, [parameters].
    func without(_ members: [Int]) throws(CalibrationError) -> ProfileFit.Solution {
        let n = values.count
        let kept = members.filter { weights[$0] > 0 && !rows[$0].gradient.isEmpty }
        // S J', [members][parameters].
        let products = kept.map { member in
            var product = [Double](repeating: 0, count: n)
            for (index, slope) in rows[member].gradient {
                let start = index * n
                for column in 0..<n { product[column] += slope * inverse[start + column] }
            }
            return product
        }
        var small = NormalEquations(size: kept.count)
        var own = right
        for (a, member) in kept.enumerated() {
            for (index, slope) in rows[member].gradient { own[index] -= weights[member] * slope * rows[member].residual }
            for b in kept.indices {
                var shared = 0.0
                for (index, slope) in rows[kept[b]].gradient { shared += slope * products[a][index] }
                small.matrix[a * kept.count + b] = (a == b ? 1 / weights[member] : 0) - shared
            }
        }
        var step = [Double](repeating: 0, count: n)
        var variances = [Double](repeating: 0, count: n)
        for index in 0..<n {
            var sum = 0.0
            let start = index * n
            for column in 0..<n { sum += inverse[start + column] * own[column] }
            step[index] = sum
            variances[index] = inverse[start + index]
        }
        if !kept.isEmpty {
            for (a, member) in kept.enumerated() {
                for (index, slope) in rows[member].gradient { small.right[a] += slope * step[index] }
            }
            let (solution, middle) = try small.solveWithInverse()
            for (a, product) in products.enumerated() {
                for index in 0..<n { step[index] += product[index] * solution[a] }
                for (b, other) in products.enumerated() {
                    let factor = middle[a * kept.count + b]
                    for index in 0..<n { variances[index] += factor * product[index] * other[index] }
                }
            }
        }
        return ProfileFit.Solution(
            values: zip(values, step).map { $0 + max(-3, min(3, $1)) }, sigmas: variances.map { max(0, $0).squareRoot() })
    }
}
