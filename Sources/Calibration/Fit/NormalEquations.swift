import CGSL

/// Symmetric positive definite systems A x = b, solved by GSL's Cholesky decomposition.
public struct NormalEquations: Sendable {
    public let size: Int
    /// [size x size], row by row.
    public var matrix: [Double]
    /// [size]
    public var right: [Double]

    public init(size: Int) {
        self.size = size
        matrix = Array(repeating: 0, count: size * size)
        right = Array(repeating: 0, count: size)
    }

    /// Adds `weight` times the outer product of a sparse row with itself, and times `residual` to the right-hand side.
    public mutating func add(row: [(index: Int, value: Double)], residual: Double, weight: Double) {
        for (i, a) in row {
            right[i] += weight * a * residual
            for (j, b) in row { matrix[i * size + j] += weight * a * b }
        }
    }

    /// Adds 1/sigma^2 to one diagonal entry and pulls the parameter from `distance` back to zero: a Gaussian prior.
    public mutating func addPrior(index: Int, sigma: Double, distance: Double) {
        matrix[index * size + index] += 1 / (sigma * sigma)
        right[index] -= distance / (sigma * sigma)
    }

    /// The solution, and the diagonal of the inverse (variances of the parameters).
    /// - Throws: `CalibrationError` where the matrix is not positive definite.
    public func solve() throws(CalibrationError) -> (solution: [Double], variances: [Double]) {
        let (solution, inverse) = try solveWithInverse()
        return (solution, (0..<size).map { inverse[$0 * size + $0] })
    }

    /// The solution, and the inverse of the matrix, [size x size].
    /// - Throws: `CalibrationError` where the matrix is not positive definite.
    public func solveWithInverse() throws(CalibrationError) -> (solution: [Double], inverse: [Double]) {
        guard size > 0 else { return ([], []) }
        // GSL aborts the program on errors unless told not to.
        gsl_set_error_handler_off()
        guard let a = gsl_matrix_alloc(size, size), let b = gsl_vector_alloc(size), let x = gsl_vector_alloc(size) else {
            throw CalibrationError("no memory for a system of \(size) equations")
        }
        defer {
            gsl_matrix_free(a)
            gsl_vector_free(b)
            gsl_vector_free(x)
        }
        for i in 0..<size {
            gsl_vector_set(b, i, right[i])
            for j in 0..<size { gsl_matrix_set(a, i, j, matrix[i * size + j]) }
        }
        guard gsl_linalg_cholesky_decomp1(a) == 0 else { throw CalibrationError("the normal equations are not positive definite") }
        gsl_linalg_cholesky_solve(a, b, x)
        let solution = (0..<size).map { gsl_vector_get(x, $0) }
        gsl_linalg_cholesky_invert(a)
        return (solution, (0..<size * size).map { gsl_matrix_get(a, $0 / size, $0 % size) })
    }
}
