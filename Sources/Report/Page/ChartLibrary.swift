import Foundation

/// Chart.js as installed on this machine. It is read when a page is written and stands inside it, so that the page opens offline.
public struct ChartLibrary: Sendable {
    let source: String
    public let path: String

    /// Where Debian (libjs-chart.js) and npm put it; `ORRERY_CHART_JS` names another file.
    public static let knownPaths = [
        "/usr/share/javascript/chart.js/chart.min.js", "/usr/share/javascript/chart.js/Chart.min.js",
        "/usr/share/nodejs/chart.js/dist/chart.min.js", "/usr/lib/node_modules/chart.js/dist/chart.min.js",
        "/usr/local/lib/node_modules/chart.js/dist/chart.umd.js", "/usr/local/share/javascript/chart.js/chart.min.js",
    ]

    /// The first library found, or nil: pages then show tables and say how to install it.
    public static func installed(environment: [String: String] = ProcessInfo.processInfo.environment) -> ChartLibrary? {
        for path in [environment["ORRERY_CHART_JS"]].compactMap({ $0 }) + knownPaths {
            guard let data = FileManager.default.contents(atPath: path), data.count < 4_000_000 else { continue }
            let source = String(decoding: data, as: UTF8.self)
            guard source.contains("Chart") else { continue }
            // Inside a script element the text must not end it.
            return ChartLibrary(source: source.replacing("</script", with: "<\\/script").replacing("<!--", with: "<\\!--"), path: path)
        }
        return nil
    }
}
