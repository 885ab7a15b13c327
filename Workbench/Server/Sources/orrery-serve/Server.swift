import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import Workbench

// The HTTP server behind `orrery serve`. Everything that is said is decided in the module Workbench; here are sockets, threads and signals.

@main
enum Server {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        do {
            let settings = try ServerSettings(
                arguments: Array(CommandLine.arguments.dropFirst()), environment: ProcessInfo.processInfo.environment)
            try await run(settings)
        } catch { fail("orrery serve: \(error)", status: 2) }
    }

    private static func run(_ settings: ServerSettings) async throws {
        let threads = max(1, ProcessInfo.processInfo.activeProcessorCount)
        let workbench = try Workbench(settings, jobs: threads)
        var logger = Logger(label: "orrery")
        logger.logLevel = .critical
        let application = Application(
            responder: Responder(workbench: workbench, queue: WorkQueue(threads: threads, waiting: workbench.limits.waiting)),
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: ApplicationConfiguration(address: .hostname(settings.host, port: settings.port), serverName: nil),
            services: [Ending(workbench: workbench)],
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? settings.port
                workbench.listens(on: port)
                print("Orrery: \(settings.address(port: port))   (Ctrl-C ends it)")
                fflush(nil)
                if settings.opens { open(settings.address(port: port)) }
            }, logger: logger)
        do { try await application.runService() } catch let error as IOError where error.errnoCode == EADDRINUSE {
            fail("orrery serve: port \(settings.port) of \(settings.host) is in use; give another with --port, or 0 for any", status: 2)
        } catch { fail("orrery serve: cannot listen on \(settings.host), port \(settings.port): \(error)", status: 2) }
    }

    private static func fail(_ message: String, status: Int32) -> Never {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        exit(status)
    }
}

/// Shows the page in a browser, where there is a screen.
private func open(_ address: String) {
    let environment = ProcessInfo.processInfo.environment
    guard environment["DISPLAY"] != nil || environment["WAYLAND_DISPLAY"] != nil else { return }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/xdg-open")
    process.arguments = [address]
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try? process.run()
}

/// On Ctrl-C: searches end, and so do the events that pages listen to. What is still at work after a while goes with the process.
struct Ending: Service {
    let workbench: Workbench

    func run() async throws {
        try await gracefulShutdown()
        workbench.stop()
        DispatchQueue.global().asyncAfter(deadline: .now() + 3) { exit(0) }
    }
}

/// Between the HTTP library and the workbench.
struct Responder: HTTPResponder {
    typealias Context = BasicRequestContext
    let workbench: Workbench
    let queue: WorkQueue

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        let body: [UInt8]
        do {
            body = Array(try await request.body.collect(upTo: workbench.limits.body).readableBytesView)
        } catch is NIOTooManyBytesError {
            return response(workbench.refuse(413, "the body has more than the \(workbench.limits.body) bytes that are read"), to: request)
        }
        let target = (request.head.path ?? "/").split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var headers: [String: String] = [:]
        for field in request.headers {
            // The first counts, so that nothing can be added behind what was checked; of cookies all.
            let name = field.name.canonicalName
            headers[name] = headers[name].map { name == "cookie" ? "\($0); \(field.value)" : $0 } ?? field.value
        }
        if let authority = request.head.authority { headers["host"] = authority }
        let ask = Ask(
            request.method.rawValue, target.first.map(String.init) ?? "/", query: target.count > 1 ? String(target[1]) : "",
            headers: headers,
            body: body)
        return response(workbench.isQuick(ask) ? workbench.answer(ask) : await computed(ask), to: request)
    }

    /// The answer of a thread of its own, as soon as one is free.
    private func computed(_ ask: Ask) async -> Reply {
        let patience = workbench.patience
        return await withCheckedContinuation { continuation in
            let once = Once(continuation)
            let watch = Task {
                try await Task.sleep(for: .seconds(patience))
                once.resume(workbench.refuse(503, "the answer takes too long", suggestion: "ask for less"))
            }
            let isTaken = queue.submit {
                once.resume(workbench.answer(ask))
                watch.cancel()
            }
            if !isTaken {
                watch.cancel()
                once.resume(workbench.refuse(503, "too many questions wait for an answer", suggestion: "ask again in a second"))
            }
        }
    }

    private func response(_ reply: Reply, to request: Request) -> Response {
        var fields = HTTPFields()
        for header in reply.headers {
            if let name = HTTPField.Name(header.name) { fields.append(HTTPField(name: name, value: header.value)) }
        }
        let body: ResponseBody
        switch reply.body {
        case .bytes(let bytes): body = request.method == .head ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        case .events(let source):
            body = ResponseBody { writer in
                var silence = 0
                while let text = source.next() {
                    // A comment now and then shows whether somebody still listens.
                    silence = text.isEmpty ? silence + 1 : 0
                    let sent = text.isEmpty && silence % 50 == 0 ? ": still at work\n\n" : text
                    if !sent.isEmpty { try await writer.write(ByteBuffer(string: sent)) }
                    try await Task.sleep(for: .milliseconds(100))
                }
                try await writer.finish(nil)
            }
        }
        return Response(status: HTTPResponse.Status(code: reply.status), headers: fields, body: body)
    }
}

/// Resumes a continuation the first time it is told to.
final class Once: Sendable {
    private let continuation: Mutex<CheckedContinuation<Reply, Never>?>
    init(_ continuation: CheckedContinuation<Reply, Never>) { self.continuation = Mutex(continuation) }

    func resume(_ reply: Reply) {
        continuation.withLock { continuation in
            continuation?.resume(returning: reply)
            continuation = nil
        }
    }
}
