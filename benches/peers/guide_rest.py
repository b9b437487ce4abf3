# rest_wrapper.py
from flask import Flask, request, jsonify
import subprocess
import json

app = Flask(__name__)

@app.route('/mcp', methods=['POST'])
def mcp_endpoint():
    data = request.json
    
    process = subprocess.run(
        ['docker', 'run', '--rm', '-i', '--env-file', '.env',
         'mcp-orchestrator:latest', 'python', '-m', 'src.mcp_server'],
        input=json.dumps(data),
        capture_output=True,
        text=True
    )
    
    return jsonify(json.loads(process.stdout))

if __name__ == '__main__':
    app.run(host='0.0.0.0', port=5000)
