/// What a tuner may choose: named quantities, each with its range.
public struct TuningSpace: Sendable, Equatable {
    /// The values that a parameter may have.
    public enum Range: Sendable, Equatable {
        case uniform(ClosedRange<Double>)
        /// Even in the logarithm: for rates.
        case logarithmic(ClosedRange<Double>)
        case integer(ClosedRange<Int>)
        /// One of so many without order: a schedule, an optimizer.
        case choice(Int)
    }
    /// A named quantity.
    public struct Parameter: Sendable, Equatable {
        public var name: String
        /// Its values.
        public var range: Range
        public init(_ name: String, _ range: Range) {
            self.name = name
            self.range = range
        }
    }
    /// [parameters], each name once.
    public let parameters: [Parameter]

    /// - Throws: `TrainingError` for no parameter, a name that stands twice, bounds that are not finite, a logarithm of zero, or no choices.
    public init(_ parameters: [Parameter]) throws(TrainingError) {
        guard !parameters.isEmpty else { throw TrainingError("there is nothing to tune") }
        for (index, parameter) in parameters.enumerated() {
            if parameters[..<index].contains(where: { $0.name == parameter.name }) {
                throw TrainingError("\(parameter.name) stands twice")
            }
            switch parameter.range {
            case .uniform(let bounds) where !(bounds.lowerBound.isFinite && bounds.upperBound.isFinite):
                throw TrainingError("\(parameter.name): the bounds \(bounds) must be finite")
            case .logarithmic(let bounds) where !(bounds.lowerBound > 0 && bounds.upperBound.isFinite):
                throw TrainingError("\(parameter.name): the bounds \(bounds) must be above 0 and finite")
            case .choice(let count) where count < 1: throw TrainingError("\(parameter.name): there are no choices")
            default: break
            }
        }
        self.parameters = parameters
    }

    /// Values [parameters] at `point` [parameters], coordinates from 0 to 1; of choices and integers the number as it is.
    public func values(at point: [Double]) -> [Double] {
        zip(parameters, point).map { parameter, x in
            switch parameter.range {
            case .uniform(let bounds): bounds.lowerBound + x * (bounds.upperBound - bounds.lowerBound)
            case .logarithmic(let bounds):
                bounds.lowerBound * exponential(x, of: bounds.upperBound / bounds.lowerBound)
            case .integer(let bounds): Double(bounds.lowerBound + bin(x, bounds.count))
            case .choice(let count): Double(bin(x, count))
            }
        }
    }
}

/// Which of `count` equal parts of [0, 1] `x` lies in.
func bin(_ x: Double, _ count: Int) -> Int { min(count - 1, max(0, Int(x * Double(count)))) }
