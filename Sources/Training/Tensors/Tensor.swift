/// Numbers in row-major order, with their shape.
public struct Tensor<Scalar: TrainingScalar>: Equatable, Sendable {
    /// [dimensions], the last varies fastest.
    public let shape: [Int]
    /// [product of shape]
    public var values: [Scalar]

    /// - Throws: `TrainingError` where `values` does not have as many elements as `shape` says.
    public init(_ values: [Scalar], shape: [Int]) throws(TrainingError) {
        guard shape.allSatisfy({ $0 >= 0 }), shape.reduce(1, *) == values.count else {
            throw TrainingError("\(values.count) values do not fill the shape \(shape)")
        }
        self.shape = shape
        self.values = values
    }

    init(unchecked values: [Scalar], shape: [Int]) {
        self.shape = shape
        self.values = values
    }

    /// A vector.
    public init(_ values: [Scalar]) {
        shape = [values.count]
        self.values = values
    }

    public init(zeros shape: [Int]) {
        self.shape = shape
        values = [Scalar](repeating: 0, count: shape.reduce(1, *))
    }

    /// Rows and columns where the tensor is, or folds into, a matrix: the first axis against all others. Nil for vectors and scalars.
    static func matrix(_ shape: [Int]) -> (rows: Int, columns: Int)? {
        guard shape.count >= 2, !shape.contains(0) else { return nil }
        return (shape[0], shape.dropFirst().reduce(1, *))
    }
}
