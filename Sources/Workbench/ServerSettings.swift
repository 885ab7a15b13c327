import Archive
import Quantities

/// Where the workbench listens, and who may ask.
public struct ServerSettings: Sendable, Hashable {
    /// A name or an address.
    public var host = "127.0.0.1"
    /// 0: one that is free.
    public var port = 8765
    /// What others than this machine have to show; nil: nobody else is let in.
    public var token: String?
    /// Whether a browser is opened.
    public var opens = true
    /// The archive of runs that the page shows; nil: none.
    public var archive: String?
    public init() {}

    /// Whether only this machine can reach `host`.
    public var isLoopback: Bool { ["localhost", "127.0.0.1", "::1", "[::1]"].contains(host) || host.hasPrefix("127.") }

    /// - Throws: `Fault` for what would be unsafe or cannot be.
    public func checked() throws(Fault) -> ServerSettings {
        guard (0...65535).contains(port) else {
            throw Fault(keyPath: "--port", reason: "\(port) is no port", suggestion: "give 1 to 65535, or 0 for any that is free")
        }
        guard !host.isEmpty, host.utf8.count < 256, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Fault(keyPath: "--host", reason: "\"\(host)\" is no host", suggestion: "give a name or an address, for instance 0.0.0.0")
        }
        if let token {
            guard token.utf8.count >= 8, token.utf8.allSatisfy({ isTokenByte($0) }) else {
                throw Fault(
                    keyPath: "--token", reason: "the token is too short, or holds other characters than letters, digits, - and _",
                    suggestion: "give at least 8 characters, for instance the output of: openssl rand -hex 16")
            }
        } else if !isLoopback {
            throw Fault(
                keyPath: "--host", reason: "\(host) can be reached from other machines, which could then use this one",
                suggestion: "add --token SECRET, or leave --host out")
        }
        return self
    }

    /// What a browser on this machine opens.
    /// - Parameter port: that it really listens on.
    public func address(port: Int) -> String {
        let name = ["0.0.0.0", "::", "[::]"].contains(host) ? "127.0.0.1" : host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        return "http://\(name):\(port)/" + (token.map { "?token=\($0)" } ?? "")
    }
}

private func isTokenByte(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x5F
}

extension ServerSettings {
    /// How `orrery serve` tells the server; the token goes through the environment, where other users of the machine do not see it.
    public var arguments: [String] { ["--host", host, "--port", "\(port)"] + (opens ? [] : ["--no-open"]) }

    /// The name of the environment's variable that holds the token.
    public static let tokenVariable = "ORRERY_TOKEN"

    /// - Throws: `Fault` for words that are none of `arguments`.
    public init(arguments: [String], environment: [String: String]) throws(Fault) {
        var words = arguments[...]
        while let word = words.popFirst() {
            if word == "--no-open" {
                opens = false
                continue
            }
            guard let value = words.popFirst() else { throw Fault(keyPath: word, reason: "a value is missing") }
            switch word {
            case "--host": host = value
            case "--port":
                guard let number = Int(value) else { throw Fault(keyPath: word, reason: "\"\(value)\" is no port") }
                port = number
            default: throw Fault(keyPath: word, reason: "there is no such option", suggestion: "see orrery help serve")
            }
        }
        token = environment[Self.tokenVariable].flatMap { $0.isEmpty ? nil : $0 }
        archive = RunArchive.path(environment: environment)
        self = try checked()
    }
}
