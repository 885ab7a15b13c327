/// Why a gradient could not be encoded, or bytes are no gradient.
public enum CodecError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A part of the message needs `needed` bytes where `available` are left.
    case truncated(part: String, needed: Int, available: Int)
    /// The bytes contradict the format; the text says where and how.
    case malformed(String)
    /// The message holds `found` elements and the receiver expects `expected`.
    case elementCount(expected: Int, found: Int)
    /// A codec was set up, or used, in a way that cannot work; the text says what would be right.
    case misuse(String)
    case outOfMemory

    public var description: String {
        switch self {
        case .truncated(let part, let needed, let available):
            "\(part) needs \(needed) bytes, but the message has \(available) left"
        case .malformed(let what): "malformed message: \(what)"
        case .elementCount(let expected, let found): "the message holds \(found) elements, but the receiver expects \(expected)"
        case .misuse(let what): what
        case .outOfMemory: "not enough memory to encode"
        }
    }
}
