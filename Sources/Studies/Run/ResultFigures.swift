import Quantities

/// The figures of a result file by key path.
public struct ResultFigures: Sendable {
    public var json: JSONValue

    public init(_ json: JSONValue) { self.json = json }

    /// A number, or the mean of a distribution; nil where there is none.
    /// - Parameter path: dotted, such as `step.time_s`; items of lists by number, from 0: `memory.by_stage.0.total`.
    public subscript(path: String) -> Double? {
        var value = json
        for key in path.split(separator: ".") {
            switch value {
            case .object(let members):
                guard let member = members.last(where: { $0.key == key }) else { return nil }
                value = member.value
            case .array(let items):
                guard let index = Int(key), items.indices.contains(index) else { return nil }
                value = items[index]
            default: return nil
            }
        }
        return switch value {
        case .number(let number): number
        case .integer(let number): Double(number)
        case .unsigned(let number): Double(number)
        case .bool(let flag): flag ? 1 : 0
        case .object(let members): members.last { $0.key == "mean" }.flatMap { ResultFigures($0.value)[""] }
        default: nil
        }
    }
}
